/**
 * A disk that is really full (a small tmpfs in a mount namespace), at each of the writes of an agent that
 * takes a release, and of a store's writer. Old or new runs, nothing is half, nothing that was promised is
 * lost; when there is space again, all goes on by itself.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Fleet, nodeFleet } from '../fakes/node-fleet.ts'
import { tablesOf, testElf } from '../fakes/test-elf.ts'
import type { Moment } from './moment.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
/** An agent that takes a release acts less often. */
const MAX_ACTS = 150
/** Pages that the store has left: some more than its two writes need. */
const MAX_PAGES = 16
const upTo = (end: number, step: number) => Array.from({ length: Math.ceil(end / step) }, (_, n) => n * step)

/** By default a sample, two of the first reads among them: there metadata comes to the disk. */
const ACTS = DEEP ? upTo(MAX_ACTS, 1) : [2, 4, ...upTo(MAX_ACTS, 11)]

const OLD = tablesOf(testElf('', 'old'))
const NEW = tablesOf(testElf('', 'new'))
const mounts = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0
const skip = mounts ? false : 'a mount namespace of our own is not allowed here'

let fleet: Fleet
let scratch: string
let given: Record<string, unknown>
let moments: Record<'fresh' | 'running', Moment>

before(async () => {
  fleet = await nodeFleet()
  scratch = await mkdtemp(join(tmpdir(), 'heddle-disk-full-'))
  const fresh = { directory: join(scratch, 'fresh'), content: structuredClone(fleet.kernel.content) }
  await mkdir(fresh.directory)
  await fleet.published.release('canary', 1, await fleet.artifact('old'))
  assert.equal((await fleet.pass()).outcome, 'enforced')
  moments = { fresh, running: { directory: fleet.directory, content: structuredClone(fleet.kernel.content) } }
  await fleet.published.release('canary', 2, await fleet.artifact('new'))
  const [store, mount] = [join(scratch, 'store'), join(scratch, 'mount')]
  for (const [key, bytes] of fleet.store.objects) {
    await mkdir(dirname(join(store, key)), { recursive: true })
    await writeFile(join(store, key), bytes)
  }
  await mkdir(mount)
  const root = Buffer.from(fleet.published.root).toString()
  given = { mount, store, root, now: fleet.clock.now().getTime() }
})
after(async () => {
  await fleet.close()
  await rm(scratch, { recursive: true, force: true })
})

async function child<T>(what: 'agent' | 'store', moment: Moment, runs: number[]): Promise<T[]> {
  const file = join(scratch, 'arguments.json')
  await writeFile(file, JSON.stringify({ ...given, ...moment, what, runs }))
  const script = join(import.meta.dirname, 'disk-full-child.js')
  // The mount goes with the namespace, whatever becomes of the child.
  const flags = ['--mount', '--propagation', 'private', process.execPath, script, file]
  return JSON.parse(execFileSync('unshare', flags, { encoding: 'utf8' }))
}

type Run = {
  at: number
  acts: number
  full: string | null
  outcome: string
  failure: { code: string; message: string } | null
  after: string | null
  next: unknown
}

for (const [name, before] of [
  ['running', OLD],
  ['fresh', null],
] as const) {
  test(`a ${name} agent takes a release on a disk that is full, from each of its acts on`, {
    skip,
  }, async () => {
    const runs = await child<Run>('agent', moments[name], ACTS)
    const codes = new Set<string>()
    for (const { at, full, outcome, failure, after, next } of runs) {
      const when = `full before act ${at}: ${failure?.code} ${failure?.message}`
      assert.ok(full === before || full === NEW, `${when}: neither old nor new`)
      assert.equal(after, NEW, `${when}: ${JSON.stringify(next)}`)
      // Nothing is said against a release that only found no space.
      assert.ok(outcome === 'enforced' || outcome === 'unchanged', when)
      if (failure !== null) codes.add(failure.code)
    }
    assert.deepEqual([...codes], ['disk-failed'])
    assert.ok(runs.some(({ full }) => full === before) && runs.some(({ full }) => full === NEW))
    assert.ok(
      runs.some(({ at, acts }) => at >= acts),
      'there are more acts than were tried',
    )
  })
}

type Written = {
  pages: number
  codes: (string | null)[]
  left: string[]
  whole: boolean | null
  pointer: string
  again: string
}

test('a store is written to on a disk that is full: whole or not there, nothing left behind', {
  skip,
}, async () => {
  const runs = await child<Written>('store', moments.fresh, upTo(MAX_PAGES, DEEP ? 1 : 3))
  for (const { pages, codes, left, whole, pointer, again } of runs) {
    const [create, replace] = codes
    const when = `${pages} pages free`
    for (const code of codes) assert.ok(code === null || code === 'store-unavailable', `${when}: ${code}`)
    assert.deepEqual(left, [], when)
    assert.equal(whole, create === null ? true : null, when)
    assert.equal(again, create === null ? 'exists' : 'created', when)
    assert.equal(pointer, replace === null ? 'new' : 'old', when)
  }
  assert.ok(runs.some(({ codes }) => codes[0] !== null) && runs.some(({ codes }) => codes[1] === null))
})
