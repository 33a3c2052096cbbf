import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { PAYLOAD_TYPES } from '../../../pipelines/contract/dsse.ts'
import { turnOf } from '../../../pipelines/rollout/turns.ts'
import { enforcingFleet, type Fleet } from '../../fakes/node-fleet.ts'

let fleet: Fleet
beforeEach(async () => {
  fleet = await enforcingFleet()
})
afterEach(() => fleet.close())

describe('a node of a ring', () => {
  it('keeps what it runs until it is its turn', async () => {
    const two = await fleet.artifact('two')
    const turn = turnOf('rollout-6', 'node-0')
    await fleet.published.release('canary', 6, two, { through: turn - 1 })
    const waits = await fleet.pass()
    assert.deepEqual([waits.outcome, waits.number, waits.failure], ['unchanged', 5, null])
    await fleet.published.release('canary', 6, two, { through: turn })
    assert.deepEqual([(await fleet.pass()).number, fleet.kernel.content.active?.generation], [6, 2])
  })

  it('takes no artifact that is denied, whatever its number', async () => {
    const two = await fleet.artifact('two')
    await fleet.published.deny([two])
    await fleet.published.release('canary', 6, two)
    const report = await fleet.pass()
    assert.deepEqual([report.outcome, report.failure?.code], ['refused', 'artifact-denied'])
    assert.equal((await fleet.node()).state.current.accepted?.number, 5)
  })

  it('believes no denials but the director’s', async () => {
    const two = await fleet.artifact('two')
    await fleet.published.release('canary', 6, two)
    for (const by of [{ keys: fleet.published.keys.policy }, { type: PAYLOAD_TYPES.ringSuccess }]) {
      await fleet.published.deny([], by)
      const report = await fleet.pass()
      assert.deepEqual([report.outcome, report.failure?.code], ['refused', 'artifact-untrusted'])
    }
  })
})

describe('a rollback', () => {
  it('is one store: the predecessor is still in its slot', async () => {
    const { artifact: one } = (await fleet.node()).state.current.enforced ?? {}
    await fleet.published.release('canary', 6, await fleet.artifact('two'))
    await fleet.pass()
    const staged = fleet.kernel.calls.filter((call) => call.startsWith('stage')).length
    await fleet.published.release('canary', 7, one ?? '')
    const report = await fleet.pass()
    assert.deepEqual([report.outcome, report.number, report.failure], ['enforced', 7, null])
    assert.equal(fleet.kernel.calls.filter((call) => call.startsWith('stage')).length, staged)
    // A number that no connection has seen yet: an older one than it has seen ends it.
    assert.deepEqual(fleet.kernel.content.active, { slot: 0, generation: 3 })
    assert.equal((await fleet.pass()).outcome, 'unchanged')
  })

  it('loads the predecessor anew where its slot is not what it was', async () => {
    const { artifact: one } = (await fleet.node()).state.current.enforced ?? {}
    await fleet.published.release('canary', 6, await fleet.artifact('two'))
    await fleet.pass()
    const slot = fleet.kernel.content.slots['0']
    if (slot !== undefined) slot.tablesDigest = `sha256:${'0'.repeat(64)}`
    const staged = fleet.kernel.calls.length
    await fleet.published.release('canary', 7, one ?? '')
    const report = await fleet.pass()
    assert.deepEqual([report.outcome, report.number], ['enforced', 7])
    assert.ok(fleet.kernel.calls.slice(staged).some((call) => call.startsWith('stage')))
  })

  it('to what runs already changes its number alone, and keeps the predecessor', async () => {
    const two = await fleet.artifact('two')
    await fleet.published.release('canary', 6, two)
    await fleet.pass()
    await fleet.published.release('canary', 7, two)
    assert.equal((await fleet.pass()).number, 7)
    const { enforced, predecessor } = (await fleet.node()).state.current
    assert.deepEqual([enforced?.number, enforced?.slot, predecessor?.number], [7, 1, 5])
  })
})
