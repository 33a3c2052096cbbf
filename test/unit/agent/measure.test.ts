import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { Counts } from '../../../agent/ports.ts'
import { beat, reconcile } from '../../../agent/reconcile.ts'
import { enforcingFleet, type Fleet } from '../../fakes/node-fleet.ts'

const counts = (fields: Partial<Counts> = {}): Counts => ({
  allowed: 0,
  refused: 0,
  responses: 0,
  errors: 0,
  latency: [],
  trips: 0,
  ...fields,
})

let fleet: Fleet
beforeEach(async () => {
  fleet = await enforcingFleet()
})
afterEach(() => fleet.close())

/** A node that runs an artifact with these intents, and has looked once. */
async function measuringNode(intents: { method: string | null; path: string }[] = []) {
  fleet.kernel.counted = counts({ allowed: 1000, refused: 10 })
  await fleet.published.release('canary', 6, await fleet.artifact('two', { intents }))
  const node = await fleet.node()
  await reconcile(node, 0)
  return node
}
const said = () => fleet.reports.at(-1)?.measures

describe('measures', () => {
  it('are null where nothing counts', async () => {
    assert.equal((await fleet.pass()).measures, null)
  })

  it('begin with the release, and are told between passes', async () => {
    const node = await measuringNode()
    assert.deepEqual([said()?.judged, said()?.refused], [0, 0])
    fleet.kernel.counted = counts({
      allowed: 1060,
      refused: 50,
      responses: 60,
      errors: 3,
      latency: [0, 60],
      trips: 1,
    })
    await beat(node)
    const { from: _, to: __, ...told } = said() ?? { from: 0, to: 0 }
    const expected = {
      judged: 100,
      refused: 40,
      unintended: 0,
      responses: 60,
      errors: 3,
      latency: [0, 60],
      trips: 1,
    }
    assert.deepEqual(told, expected)
    assert.deepEqual([fleet.reports.at(-1)?.outcome, fleet.reports.at(-1)?.number], ['enforced', 6])
  })

  it('tell refusals that nobody declared from those that a policy means', async () => {
    const node = await measuringNode([{ method: 'GET', path: '/private/.*' }])
    fleet.kernel.counted = counts({ allowed: 1000, refused: 14 })
    for (const path of ['/private/a', '/private/b', '/public', '/x'])
      fleet.kernel.refused.push({ method: 'GET', path })
    await beat(node)
    assert.deepEqual([said()?.refused, said()?.unintended], [4, 2])
    // Of those that the kernel did not keep, the same share.
    fleet.kernel.counted = counts({ allowed: 1000, refused: 110 })
    await beat(node)
    assert.deepEqual([said()?.refused, said()?.unintended], [100, 50])
  })

  it('count a method that no intent names as unintended', async () => {
    const node = await measuringNode([{ method: 'GET', path: '/private/.*' }])
    fleet.kernel.counted = counts({ allowed: 1000, refused: 11 })
    fleet.kernel.refused.push({ method: 'POST', path: '/private/a' })
    await beat(node)
    assert.equal(said()?.unintended, 1)
  })

  it('begin again with another release, and with counters that count from nothing', async () => {
    const node = await measuringNode()
    fleet.kernel.counted = counts({ allowed: 2000, refused: 10 })
    await beat(node)
    assert.equal(said()?.judged, 1000)
    fleet.kernel.counted = counts({ allowed: 5 })
    await beat(node)
    assert.equal(said()?.judged, 0)
    await fleet.published.release('canary', 7, await fleet.artifact('three'))
    fleet.kernel.counted = counts({ allowed: 50 })
    await reconcile(node, 0)
    assert.deepEqual([said()?.judged, fleet.reports.at(-1)?.number], [0, 7])
  })

  it('cover the last minutes, not all that ever was', async () => {
    const node = await measuringNode()
    for (let minute = 1; minute <= 10; minute++) {
      fleet.clock.advance(60_000)
      fleet.kernel.counted = counts({ allowed: 1000 + minute, refused: 10 })
      await beat(node)
    }
    const window = (said()?.to ?? 0) - (said()?.from ?? 0)
    assert.ok(window >= 120_000 && window <= 240_000, `${window} ms`)
    assert.equal(said()?.judged, window / 60_000)
  })

  it('a beat after a failure says the failure again', async () => {
    const node = await measuringNode()
    await fleet.published.release(
      'canary',
      7,
      await fleet.artifact('bad', { kernel: { minimum: '9.9', arch: 'bpfel', hooks: [] } }),
    )
    await reconcile(node, 0)
    const { outcome, failure } = fleet.reports.at(-1) ?? {}
    for (let again = 0; again < 3; again++) await beat(node)
    assert.deepEqual([fleet.reports.at(-1)?.outcome, fleet.reports.at(-1)?.failure], [outcome, failure])
    assert.equal(failure?.code, 'kernel-too-old')
  })
})
