import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openPolicy } from '../../fakes/policies.ts'
import fc from 'fast-check'
import { type Choices, deliveryWorld, type Gate, IN_ORDER, type World } from '../../fakes/delivery-world.ts'
import { memoryKeys } from '../../fakes/keys.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const SEED = 20261123
const keys = memoryKeys()

const broken = {
  'policies/broken.yaml':
    'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nspec: {endpointSelectr: {}}\n',
}

class Killed extends Error {}

/** Kills once, at the given pass through the gate. */
function killAt(pass: number): Gate {
  let left = pass
  return () => {
    if (left-- === 0) throw new Killed('killed')
  }
}

/** Scheduling from a list of numbers, so that fast-check can shrink it; in order when the list ends. */
function choicesFrom(numbers: readonly number[]): Choices {
  const rest = [...numbers]
  return { pick: (count) => (rest.shift() ?? 0) % count, again: () => (rest.shift() ?? 1) % 5 === 0 }
}

async function onePush(): Promise<World> {
  const world = await deliveryWorld(keys)
  const commit = world.forge.commit(openPolicy('api'))
  world.forge.push(commit)
  await world.send({ stage: 'validate', commit })
  return world
}

/** A good commit, a broken one on top, a good one on top of that; all three events wait. */
async function threePushes(): Promise<{ world: World; good: string; bad: string; better: string }> {
  const world = await deliveryWorld(keys)
  const good = world.forge.commit(openPolicy('api'))
  const bad = world.forge.commit({ ...openPolicy('api'), ...broken }, good)
  const better = world.forge.commit({ ...openPolicy('api'), ...openPolicy('web') }, bad)
  world.forge.push(better)
  for (const commit of [good, bad, better]) await world.send({ stage: 'validate', commit })
  return { world, good, bad, better }
}

describe('delivery', () => {
  it('takes a good commit through all rings to a success', async () => {
    const world = await onePush()
    await world.settle()
    const { rings, published, statuses } = await world.outcome()
    assert.equal(published.length, 1)
    assert.deepEqual(
      statuses.map(({ state, stage }) => [state, stage]),
      [['success', 'done']],
    )
    const [{ artifact, commit } = { artifact: null, commit: '' }] = statuses
    const taken = { commit, artifact, success: artifact }
    assert.deepEqual(rings, { 'ring-0': taken, 'ring-1': taken })
  })

  it('tells each ring once, when it is its turn, and all of them after a start', async () => {
    const world = await onePush()
    await world.settle()
    assert.deepEqual(world.hints, ['ring-0', 'ring-1', 'ring-1'])
    world.hints.length = 0
    const commit = world.forge.commit({ ...openPolicy('api'), ...openPolicy('web') })
    world.forge.push(commit)
    await world.send({ stage: 'validate', commit })
    await world.settle()
    assert.deepEqual(world.hints, ['ring-0', 'ring-1'])
  })

  it('publishes nothing of a broken commit, and says where it is broken', async () => {
    const world = await deliveryWorld(keys)
    const before = new Map(world.store.objects)
    const commit = world.forge.commit({ ...openPolicy('api'), ...broken })
    world.forge.push(commit)
    await world.send({ stage: 'validate', commit })
    await world.settle()
    assert.deepEqual(world.store.objects, before)
    const status = world.statuses.posted.get(commit)
    assert.deepEqual([status?.state, status?.stage], ['failure', 'refused'])
    const finding = status?.findings.find(({ code }) => code === 'unknown-field')
    assert.deepEqual([finding?.file, finding?.line, finding?.column], ['policies/broken.yaml', 3, 8])
    assert.match(finding?.hint ?? '', /endpointSelector/)
  })

  it('refuses a policy file that is not text', async () => {
    const world = await deliveryWorld(keys)
    const commit = world.forge.commit(openPolicy('api'))
    const { read } = world.forge
    world.forge.read = async (asked) => {
      const facts = await read(asked)
      return { ...facts, files: [...facts.files, { path: 'policies/x.yaml', bytes: new Uint8Array([0xff]) }] }
    }
    world.forge.push(commit)
    await world.send({ stage: 'validate', commit })
    await world.settle()
    assert.equal(world.statuses.posted.get(commit)?.findings[0]?.file, 'policies/x.yaml')
    assert.deepEqual((await world.outcome()).published, [])
  })

  it('ends the same wherever a handler is killed, before or after any call of a port', async () => {
    const undisturbed = await onePush()
    let passes = 0
    undisturbed.setGate(() => {
      passes++
    })
    await undisturbed.settle()
    const expected = await undisturbed.outcome()
    assert.ok(passes > 100, `the gate sees every call, ${passes} of them`)
    const stride = DEEP ? 1 : 29
    for (let pass = 0; pass < passes; pass += stride) {
      const world = await onePush()
      world.setGate(killAt(pass))
      await world.settle()
      assert.deepEqual(await world.outcome(), expected, `killed at pass ${pass}`)
    }
  })

  it('ends the same when events come in any order, again, and handlers are killed meanwhile', async () => {
    const { world: undisturbed, better } = await threePushes()
    await undisturbed.settle()
    const expected = await undisturbed.outcome()
    const schedule = fc.array(fc.nat(999), { maxLength: 60 })
    const kills = fc.array(fc.nat(600), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(schedule, kills, async (numbers, passes) => {
        const { world, good } = await threePushes()
        let pass = 0
        world.setGate(() => {
          if (passes.includes(pass++)) throw new Killed('killed')
        })
        await world.settle(choicesFrom(numbers))
        const outcome = await world.outcome()
        assert.deepEqual(outcome.rings, expected.rings)
        assert.deepEqual(outcome.published, expected.published)
        for (const status of outcome.statuses) {
          // Whether the first one was released before the last one came is a matter of order.
          if (status.commit === good) assert.ok(status.stage === 'superseded' || status.stage === 'done')
          else
            assert.deepEqual(
              status,
              expected.statuses.find(({ commit }) => commit === status.commit),
            )
        }
        assert.equal(outcome.statuses.length, 3)
      }),
      { seed: SEED, numRuns: DEEP ? 1000 : 4 },
    )
    assert.equal(undisturbed.statuses.posted.get(better)?.stage, 'done')
  })

  it('does nothing for an event that comes again when all is done', async () => {
    const { world, good, bad, better } = await threePushes()
    await world.settle()
    const expected = await world.outcome()
    const timestamp = world.store.objects.get('tuf/timestamp.json')
    for (const commit of [bad, good, better, good]) await world.send({ stage: 'validate', commit })
    await world.settle()
    assert.deepEqual(await world.outcome(), expected)
    assert.deepEqual(world.store.objects.get('tuf/timestamp.json'), timestamp, 'no new metadata')
  })

  it('delivers an older commit again when a forced push makes it the head, under a higher number', async () => {
    const { world, good, better } = await threePushes()
    await world.settle()
    const before = world.statuses.posted.get(better)?.release ?? 0
    world.forge.push(good)
    await world.send({ stage: 'validate', commit: good })
    await world.send({ stage: 'validate', commit: better })
    await world.settle()
    const status = world.statuses.posted.get(good)
    assert.deepEqual([status?.stage, (status?.release ?? 0) > before], ['done', true])
    const { rings } = await world.outcome()
    assert.equal((rings['ring-1'] as { commit: string }).commit, good)
  })

  it('does not deliver a commit that is no longer on the branch', async () => {
    const world = await onePush()
    const [first] = world.waiting
    world.forge.push(undefined)
    await world.settle()
    const { published, statuses } = await world.outcome()
    assert.deepEqual(published, [])
    assert.equal(statuses[0]?.stage, 'superseded')
    assert.ok(first)
  })

  it('follows no state that somebody else has written into the store', async () => {
    const world = await onePush()
    await world.settle()
    const forged = { schema: 'heddle.rollout/1', revision: 99, current: null, superseded: null }
    const state = { ...forged, released: {}, succeeded: {}, reports: {} }
    const before = world.store.objects.get('tuf/timestamp.json')
    const payload = Buffer.from(JSON.stringify(state)).toString('base64')
    const envelope = {
      payloadType: 'application/vnd.heddle.rollout+json',
      payload,
      signatures: [{ keyid: 'x', sig: '' }],
    }
    for (const content of [state, envelope]) {
      world.store.objects.set('rollout/state.json', Buffer.from(JSON.stringify(content)))
      await world.send({ stage: 'rollout', cause: { kind: 'tick' } })
      await world.settle()
      assert.deepEqual(world.store.objects.get('tuf/timestamp.json'), before)
      assert.deepEqual(world.store.objects.get('rollout/state.json'), Buffer.from(JSON.stringify(content)))
    }
    assert.match(world.lines.join('\n'), /metadata-untrusted/)
  })

  it('drops a message that is no event', async () => {
    const world = await deliveryWorld(keys)
    for (const body of ['', '{}', '{"stage":"validate","commit":"../x"}', '{"stage":"compile","commit":1}']) {
      const event = { Records: [{ messageId: 'm', body }] } as unknown as Parameters<
        typeof world.functions.stages.validate
      >[0]
      assert.deepEqual(await world.functions.stages.validate(event), { batchItemFailures: [] })
    }
    assert.deepEqual(world.waiting, [])
    assert.equal(IN_ORDER.again(), false)
  })
})
