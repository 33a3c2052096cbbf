/**
 * Faults around an agent that takes a release: the store is slow, in trouble, cut short or changed, at
 * each of its reads; the clock jumps at each look at it. What runs is the old release or the new one,
 * nothing unsigned, and when the fault is over the node has the new one.
 */
import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Node } from '../../agent/node.ts'
import { reconcile } from '../../agent/reconcile.ts'
import { Failure, FAILURES } from '../../pipelines/contract/failures.ts'
import type { Report } from '../../pipelines/contract/release.ts'
import { type MemoryKernel, memoryKernel } from '../fakes/memory-kernel.ts'
import { type Fleet, nodeFleet } from '../fakes/node-fleet.ts'
import { tablesOf, testElf } from '../fakes/test-elf.ts'
import { judging, type Moment } from './moment.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
/** By default every n-th read meets the fault, each fault beginning at another one. */
const STEP = DEEP ? 1 : 5
const HOUR = 3_600_000
const YEAR = 366 * 24 * HOUR

const OLD = tablesOf(testElf('', 'old'))
const NEW = tablesOf(testElf('', 'new'))

let fleet: Fleet
let scratch: string
let running: Moment

before(async () => {
  fleet = await nodeFleet()
  scratch = await mkdtemp(join(tmpdir(), 'heddle-faults-'))
  await fleet.published.release('canary', 1, await fleet.artifact('old'))
  assert.equal((await fleet.pass()).outcome, 'enforced')
  running = { directory: fleet.directory, content: structuredClone(fleet.kernel.content) }
  await fleet.published.release('canary', 2, await fleet.artifact('new'))
})
after(async () => {
  await fleet.close()
  await rm(scratch, { recursive: true, force: true })
})

type Place = { directory: string; kernel: MemoryKernel }

async function place(): Promise<Place> {
  const directory = await mkdtemp(join(scratch, 'node-'))
  await cp(running.directory, directory, { recursive: true })
  return { directory, kernel: memoryKernel({}, structuredClone(running.content)) }
}

/** One pass of a freshly started agent; its report. */
async function pass(where: Place, options: Partial<Node> = {}): Promise<Report> {
  await reconcile(await fleet.node({ ...where, ...options }), 0)
  const report = fleet.reports.at(-1)
  assert.ok(report)
  return report
}

/** Under the fault old or new, and a failure only by its name; afterwards new. */
async function survives(options: Partial<Node>, when: string): Promise<Report> {
  const where = await place()
  const under = await pass(where, options)
  const tables = judging(where.kernel.content)
  assert.ok(tables === OLD || tables === NEW, `${when}: neither old nor new`)
  assert.ok(under.failure === null || under.failure.code in FAILURES, when)
  assert.equal(tables === NEW, under.outcome === 'enforced', `${when}: the report says otherwise`)
  const next = await pass(where)
  assert.equal(judging(where.kernel.content), NEW, `${when}: ${next.failure?.message}`)
  await rm(where.directory, { recursive: true })
  return under
}

type Read = (bytes: Uint8Array | undefined) => Promise<Uint8Array | undefined>
const changed = (change: (bytes: Buffer) => Buffer): Read => {
  return async (bytes) => bytes && change(Buffer.from(bytes))
}
const flipped = (at: number) =>
  changed((bytes) => {
    const place = Math.floor(at * bytes.length)
    bytes[place] = (bytes[place] ?? 0) ^ 4
    return bytes
  })

const broken: Read = () => Promise.reject(new Failure('store-unavailable', 'HTTP 500'))
const lost: Read = async () => undefined
/** They say nothing against a release. */
const AWAY = [broken, lost]

const faults: [string, Read][] = [
  ['answers 500', broken],
  ['breaks with an error that nobody foresaw', () => Promise.reject(new TypeError('terminated'))],
  ['has lost the object', lost],
  ['gives half of it', changed((bytes) => bytes.subarray(0, bytes.length >> 1))],
  ['gives nothing of it', changed((bytes) => bytes.subarray(0, 0))],
  ['gives it with one bit changed', flipped(0.5)],
  ['gives it with its last byte changed', flipped(0.999)],
  ['gives it twice over', changed((bytes) => Buffer.concat([bytes, bytes]))],
  ['gives other bytes of its length', changed((bytes) => Buffer.alloc(bytes.length, 'x'))],
]

/** The store whose `at`-th read, or every one from there on, is at fault. */
function faulty(fault: Read, at: number, lasting: boolean): { store: Node['store']; met: () => boolean } {
  let reads = 0
  const get = async (key: string, max: number) => {
    const bytes = (await fleet.store.get(key, max))?.bytes
    const hit = lasting ? reads >= at : reads === at
    reads++
    return hit ? fault(bytes) : bytes
  }
  return { store: { get }, met: () => reads > at }
}

for (const [number, [what, fault]] of faults.entries()) {
  test(`a store that ${what}, at each read`, async () => {
    let met = true
    for (let at = number % STEP; met; at += STEP)
      for (const lasting of DEEP ? [false, true] : [at % 2 === 0]) {
        const { store, met: was } = faulty(fault, at, lasting)
        const { outcome, failure } = await survives({ store }, `read ${at}`)
        if (AWAY.includes(fault)) assert.notEqual(outcome, 'refused', `read ${at}: ${failure?.code}`)
        met = was()
      }
  })
}

test('a store that answers in no order, and only when the pass has asked for all that it can, is only slow', async () => {
  const get = async (key: string, max: number) => {
    for (let turns = key.length; turns > 0; turns--) await new Promise((turn) => setImmediate(turn))
    return (await fleet.store.get(key, max))?.bytes
  }
  assert.equal((await survives({ store: { get } }, 'slow')).outcome, 'enforced')
})

test('a store that gives old metadata and new, as mirrors that lag behind do', async () => {
  const where = await place()
  const old = new Map(fleet.store.objects)
  await fleet.published.release('canary', 3, await fleet.artifact('newer'))
  let reads = 0
  const lagging = { get: async (key: string) => (reads++ % 2 === 0 ? old : fleet.store.objects).get(key) }
  for (let looks = 0; looks < 6; looks++) {
    await pass(where, { store: lagging })
    assert.notEqual(judging(where.kernel.content), null)
  }
  assert.equal((await pass(where)).number, 3)
  for (const [key, bytes] of old) fleet.store.objects.set(key, bytes)
})

const jumps: [string, number][] = [
  ['ten years ahead', 10 * YEAR],
  ['ten years back', -10 * YEAR],
  ['some hours ahead', 5 * HOUR],
  ['some hours back', -5 * HOUR],
  ['to zero', Number.NEGATIVE_INFINITY],
]
for (const [what, by] of jumps) {
  test(`a clock that jumps ${what}, at each look at it, and comes back`, async () => {
    let met = true
    for (let at = 0; met; at++) {
      let looks = 0
      const now = () => {
        const time = fleet.clock.now().getTime()
        return looks++ >= at ? Math.max(0, time + by) : time
      }
      await survives({ clock: { now, elapsed: () => 0 } }, `look ${at}`)
      met = looks > at
    }
  })
}

test('a clock that is ahead for a while does not keep the node from what comes when it is right again', async () => {
  const where = await place()
  const ahead = { now: () => fleet.clock.now().getTime() + 10 * YEAR, elapsed: () => 0 }
  assert.equal((await pass(where, { clock: ahead })).failure?.code, 'metadata-expired')
  const report = await pass(where)
  assert.deepEqual([report.outcome, report.failure], ['enforced', null])
})
