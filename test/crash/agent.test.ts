/**
 * kill -9 between any two acts of an agent: before and after every change of
 * the kernel, before every operation on the disk. What runs is the old release
 * or the new one, never neither, never half; the next start goes on from there.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { sha256 } from '../../agent/cache.ts'
import { restore } from '../../agent/confirm.ts'
import type { Node } from '../../agent/node.ts'
import { reconcile } from '../../agent/reconcile.ts'
import { DISPATCHER_TARGET, hexOf } from '../../pipelines/contract/object-keys.ts'
import { type KernelContent, type MemoryKernel, memoryKernel } from '../fakes/memory-kernel.ts'
import { type Fleet, nodeFleet } from '../fakes/node-fleet.ts'
import { tablesOf, testElf } from '../fakes/test-elf.ts'
import { judging, type Moment } from './moment.ts'

/** Real deaths are slow: by default every n-th act. */
const CHILD_STEP = process.env['HEDDLE_DEEP'] === '1' ? 1 : 13

const OLD = tablesOf(testElf('', 'old'))
const NEW = tablesOf(testElf('', 'new'))
/** The new release brings this dispatcher, too. */
const NEW_DISPATCHER = testElf('newer dispatcher', '')
/** Connections that are open when it comes. */
const OPEN = 3

let fleet: Fleet
let scratch: string
let fresh: Moment
let running: Moment

before(async () => {
  fleet = await nodeFleet()
  scratch = await mkdtemp(join(tmpdir(), 'heddle-crash-'))
  fresh = { directory: join(scratch, 'fresh'), content: structuredClone(fleet.kernel.content) }
  await mkdir(fresh.directory)
  await fleet.published.release('canary', 1, await fleet.artifact('old'))
  assert.equal((await fleet.pass()).outcome, 'enforced')
  fleet.kernel.content.sockets = OPEN
  running = { directory: fleet.directory, content: structuredClone(fleet.kernel.content) }
  await fleet.published.putCode({ path: DISPATCHER_TARGET, bytes: NEW_DISPATCHER })
  await fleet.published.release('canary', 2, await fleet.artifact('new'))
})
after(async () => {
  await fleet.close()
  await rm(scratch, { recursive: true, force: true })
})

/** Connections that were open are so still, each under the dispatcher that it was born under. */
function checkConnections(moment: Moment, content: KernelContent, when: string): void {
  if (moment.content.sockets !== OPEN) return
  const [old, now] = [moment.content.dispatcher ?? '', content.dispatcher ?? '']
  assert.equal(
    now === old ? content.sockets : content.draining[old],
    OPEN,
    `${when}: connections were cut off`,
  )
}

/** The agent dies before act `dieBefore`: nothing that it would do afterwards happens. */
async function live(moment: Moment, dieBefore: number): Promise<{ died: boolean; content: KernelContent }> {
  let acts = 0
  const act = () => {
    if (acts++ >= dieBefore) throw new Error('dead')
  }
  const kernel = memoryKernel({ before: act, after: act }, moment.content)
  await start({ directory: moment.directory, before: act, kernel })
  return { died: acts > dieBefore, content: kernel.content }
}

async function start(options: Parameters<Fleet['node']>[0]): Promise<void> {
  const node = await fleet.node(options)
  await restore(node).catch(() => {})
  await reconcile(node, 0)
}

const gone: Node['store'] = { get: () => Promise.reject(new Error('no network')) }

async function copyOf(moment: Moment): Promise<Moment> {
  const directory = await mkdtemp(join(scratch, 'node-'))
  await cp(moment.directory, directory, { recursive: true })
  return { directory, content: structuredClone(moment.content) }
}

async function offline(directory: string, kernel: MemoryKernel): Promise<void> {
  await start({ directory, kernel, store: gone })
}

const scenarios: [string, () => Moment, (string | null)[]][] = [
  ['taking a new release', () => running, [OLD, NEW]],
  ['taking the first release', () => fresh, [null, NEW]],
  [
    'coming back from a reboot with a release waiting',
    () => ({ ...running, content: memoryKernel().content }),
    [null, OLD, NEW],
  ],
]

/** Runs an agent in its own process; the signal that ended it. */
function child(file: string): Promise<string | null> {
  const script = join(import.meta.dirname, 'agent-child.js')
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [script, file], (error, _output, errors) => {
      if (error === null) resolve(null)
      else if (error.signal) resolve(error.signal)
      else reject(new Error(errors))
    })
  })
}

// Each has directories of its own, and waits for the disk most of the time.
describe('an agent', { concurrency: true }, () => {
  for (const [name, moment, allowed] of scenarios) {
    test(`killed between any two acts while ${name}`, async () => {
      let died = true
      for (let acts = 0; died; acts++) {
        const { directory, content } = await copyOf(moment())
        const life = await live({ directory, content }, acts)
        died = life.died
        assert.ok(allowed.includes(judging(life.content)), `after act ${acts}: neither old nor new`)
        checkConnections(moment(), life.content, `act ${acts}`)

        // It comes back with the network gone: what ran goes on.
        const kernel = memoryKernel({}, life.content)
        const before = judging(life.content)
        await offline(directory, kernel)
        assert.ok(allowed.includes(judging(kernel.content)), `offline after act ${acts}`)
        if (before !== null) assert.equal(judging(kernel.content), before, `changed after act ${acts}`)

        // The network is back.
        await start({ directory, kernel })
        assert.equal(judging(kernel.content), NEW, `after act ${acts}`)
        assert.equal(kernel.content.dispatcher, hexOf(sha256(NEW_DISPATCHER)), `after act ${acts}`)
        checkConnections(moment(), kernel.content, `after act ${acts}`)
        await rm(directory, { recursive: true })
      }
    })
  }

  test('killed between any two acts, and then the machine restarts without network', async () => {
    let died = true
    for (let acts = 0; died; acts++) {
      const { directory, content } = await copyOf(running)
      died = (await live({ directory, content }, acts)).died
      const kernel = memoryKernel()
      await offline(directory, kernel)
      const back = judging(kernel.content)
      assert.ok(back === OLD || back === NEW, `after act ${acts} nothing came back`)
      await rm(directory, { recursive: true })
    }
  })

  test('a real process, killed by SIGKILL between two acts', async () => {
    const store = join(scratch, 'store')
    for (const [key, bytes] of fleet.store.objects) {
      await mkdir(dirname(join(store, key)), { recursive: true })
      await writeFile(join(store, key), bytes)
    }
    let died = true
    let deaths = 0
    for (let dieBefore = 0; died; dieBefore += CHILD_STEP) {
      const { directory, content } = await copyOf(running)
      const kernelFile = join(directory, 'kernel.json')
      const argumentsFile = join(directory, 'arguments.json')
      await writeFile(kernelFile, JSON.stringify(content))
      const root = Buffer.from(fleet.published.root).toString()
      const now = fleet.clock.now().getTime()
      const run = async (acts: number) => {
        const options = { directory, store, kernel: kernelFile, root, now, dieBefore: acts }
        await writeFile(argumentsFile, JSON.stringify(options))
        return child(argumentsFile)
      }
      died = (await run(dieBefore)) === 'SIGKILL'
      if (died) deaths++
      const between = judging(JSON.parse(await readFile(kernelFile, 'utf8')))
      assert.ok(between === OLD || between === NEW, `killed before act ${dieBefore}`)
      assert.equal(await run(Number.MAX_SAFE_INTEGER), null)
      assert.equal(judging(JSON.parse(await readFile(kernelFile, 'utf8'))), NEW)
      await rm(directory, { recursive: true })
    }
    assert.ok(deaths >= 3, `only ${deaths} deaths: the agent did not act where it was expected to`)
  })
})
