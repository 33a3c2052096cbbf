/** `heddle log`, `verify`, `rebuild` and `audit` of a fleet, on what a real delivery with clang has published. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { pathPolicy } from '../fakes/policies.ts'
import { execa } from 'execa'
import { LocalDelivery } from '../fakes/local-delivery.ts'
import { HEDDLE } from '../fakes/heddle-command.ts'

let delivery: LocalDelivery
let where: string[]
/** Artifact and commit of the two pushes. */
const made: { artifact: string; commit: string }[] = []
before(async () => {
  delivery = await LocalDelivery.start({ bus: false, until: 'published', clang: true })
  where = ['--store', delivery.path('store'), '--root', delivery.path('root.json')]
  for (const path of ['/one', '/two']) {
    const { commit } = await delivery.push({ 'policies/api.yaml': pathPolicy(path) })
    made.push({ commit, artifact: (await delivery.status(commit))?.artifact ?? 'none' })
  }
})
after(() => delivery?.stop())

const heddle = (...args: string[]) => execa(process.execPath, [HEDDLE, ...args], { reject: false })
const json = async (...args: string[]) => JSON.parse((await heddle(...args, '--json')).stdout)
const of = (at: number) => made[at] ?? assert.fail('not published')

describe('heddle log', () => {
  test('show and prove: what was published, newest first', async () => {
    const { size, entries } = await json('log', 'show', ...where)
    assert.equal(size, 2)
    const shown = entries.map(({ artifact, commit }: (typeof made)[number]) => ({ artifact, commit }))
    assert.deepEqual(shown, [...made].reverse())
    const proof = await heddle('log', 'prove', of(0).artifact, ...where)
    assert.match(proof.stdout, /^c2sp\.org\/tlog-proof@v1\nindex 0\n/)
    const none = await heddle('log', 'prove', `sha256:${'0'.repeat(64)}`, ...where)
    assert.equal(none.exitCode, 1)
    assert.match(none.stderr, /^artifact-unlogged: /)
  })

  test('monitor remembers what it saw, watches, and alarms when the log shrinks', async () => {
    const state = delivery.path('monitor')
    const once_ = await json('log', 'monitor', ...where, '--state', state)
    assert.deepEqual([once_.size, once_.checked], [2, 2])
    const copy = delivery.path('copy')
    await cp(delivery.path('store'), copy, { recursive: true })
    const args = ['--store', copy, '--root', delivery.path('root.json'), '--state', state, '--json']
    const watching = spawn(process.execPath, [
      HEDDLE,
      'log',
      'monitor',
      ...args,
      '--watch',
      '--every',
      '0.05',
    ])
    try {
      let said = ''
      watching.stderr.on('data', (text: Buffer) => {
        said += text.toString()
      })
      const ended = once(watching, 'exit')
      for await (const line of createInterface(watching.stdout)) {
        assert.equal(JSON.parse(line).size, 2)
        await rm(join(copy, 'log/checkpoint'), { force: true })
      }
      assert.deepEqual(await ended, [1, null])
      assert.match(said, /^log-shrunk: the log had 2 entries, now it shows no checkpoint\n/)
    } finally {
      watching.kill('SIGKILL')
    }
    assert.match(await readFile(state, 'utf8'), /\n2\n/, 'an alarm does not move what is remembered')
    await writeFile(state, 'hello')
    const forgot = await heddle('log', 'monitor', ...where, '--state', state)
    assert.equal(forgot.exitCode, 1)
    assert.match(forgot.stderr, /^state-corrupt: /)
  })
})

describe('heddle verify and rebuild', () => {
  test('an artifact verifies from the root to the commit; a changed program is named', async () => {
    const { artifact, commit } = of(1)
    const { links, broken } = await json('verify', artifact, ...where)
    assert.equal(broken, null)
    assert.deepEqual(
      links.map(({ link }: { link: string }) => link),
      [
        'root of trust',
        'metadata',
        'policy signature',
        'provenance signature',
        'log entry',
        'program bytes',
        'code signature',
        'commit',
      ],
    )
    assert.equal(links.at(-1).facts.commit, commit)
    const { digest } = links[5].facts
    const file = join(delivery.path('store'), 'blobs/sha256', digest.slice('sha256:'.length))
    const bytes = await readFile(file)
    try {
      await writeFile(file, Buffer.concat([bytes.subarray(0, -1), Buffer.from([1])]))
      const { exitCode, stdout } = await heddle('verify', artifact, ...where)
      assert.equal(exitCode, 1)
      assert.match(stdout, /✗ program bytes +artifact-tampered: /)
    } finally {
      await writeFile(file, bytes)
    }
  })

  test('a rebuild by clang, with nothing that was kept, gives the same bytes', async () => {
    const from = ['--store', delivery.path('store'), '--repository', delivery.path('policies.git')]
    const { exitCode, stdout } = await heddle('rebuild', of(1).artifact, ...from)
    assert.equal(stdout, `the same: commit ${of(1).commit} gives ${of(1).artifact}`)
    assert.equal(exitCode, 0)
  })
})

describe('heddle audit of a fleet', () => {
  test('tells rollouts as text, JSON and CSV, and what was told at a time', async () => {
    assert.match((await heddle('audit', ...where)).stdout, /^release 1 [0-9a-f]{12} by .*, no review\n/)
    const { stdout } = await heddle('audit', ...where, '--csv')
    assert.match(stdout, /^number,rollout,ring,.*\r?\n1,1-[0-9a-f]{12},ring-0,/)
    const now = new Date().toISOString()
    const { broken, rollouts } = await json('audit', ...where, '--ring', 'ring-0', '--at', now)
    assert.equal(broken, null)
    assert.deepEqual(
      rollouts.map(({ commit }: { commit: string }) => commit),
      [of(1).commit],
    )
    assert.equal((await heddle('audit', '--at', 'noon')).exitCode, 2)
  })

  test('a numbered file that is gone is the first break, and the exit code says so', async () => {
    const tuf = join(delivery.path('store'), 'tuf')
    assert.ok((await readdir(tuf)).includes('2.snapshot.json'))
    const bytes = await readFile(join(tuf, '2.snapshot.json'))
    try {
      await rm(join(tuf, '2.snapshot.json'))
      const { exitCode, stdout } = await heddle('audit', ...where)
      assert.equal(exitCode, 1)
      assert.match(stdout, /✗ snapshots +artifact-missing: tuf\/2\.snapshot\.json/)
    } finally {
      await writeFile(join(tuf, '2.snapshot.json'), bytes)
    }
  })
})
