import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { begin } from '../../../../functions/trust/ceremony.ts'
import { encode } from '../../../../functions/trust/metadata.ts'
import { Repository } from '../../../../functions/trust/repository.ts'
import { loadCurrent } from '../../../../functions/trust/repository-state.ts'
import { LIFETIME_MS, type OnlineKeys, type OnlineRole } from '../../../../functions/trust/roles.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { fakeCode } from '../../../fakes/compiler.ts'
import { membersOf, tableOf } from '../../../fakes/init-repository.ts'
import { type AllKeys, manualClock, memoryKeys } from '../../../fakes/keys.ts'
import { memoryStore } from '../../../fakes/memory-store.ts'

const NOBODY = { signers: [], threshold: 1 }
const without = (keys: AllKeys, role: OnlineRole): OnlineKeys => ({ ...keys, [role]: NOBODY })
const put = (path: string) => ({ put: [{ path, bytes: encode({ path }) }] })

/** Two functions over one store: one lists artifacts, the other releases; neither has the other's key. */
async function twoFunctions() {
  const store = memoryStore()
  const keys = memoryKeys()
  const clock = manualClock()
  const trustedRoot = await begin(tableOf(store, keys, clock), membersOf(keys), fakeCode)
  const over = (mine: OnlineKeys) => new Repository({ store, keys: mine, clock, trustedRoot })
  return {
    store,
    keys,
    clock,
    publish: over(without(keys, 'release')),
    rollout: over(without(keys, 'policy')),
  }
}

describe('a repository of which a function holds some keys', () => {
  for (const first of ['publish', 'rollout'] as const) {
    it(`begins with whatever ${first} signs, and has all once the other has signed`, async () => {
      const world = await twoFunctions()
      const second = first === 'publish' ? 'rollout' : 'publish'
      await world[first].refresh()
      const one = (await loadCurrent(world.store, world.keys)).snapshot?.signed.meta ?? {}
      const missing = first === 'publish' ? 'release.json' : 'policy.json'
      assert.equal(one[missing], undefined, 'nothing is listed that nobody has signed')
      await world[second].refresh()
      const all = (await loadCurrent(world.store, world.keys)).snapshot?.signed.meta ?? {}
      assert.deepEqual(Object.keys(all).sort(), ['code.json', 'policy.json', 'release.json', 'targets.json'])
    })
  }

  it('keeps what the other has listed, each time that one of them changes something', async () => {
    const { store, keys, publish, rollout } = await twoFunctions()
    await publish.update(() => ({ policy: put('policy/a.json') }))
    await rollout.update(() => ({ release: put('release/ring-0.json') }))
    await publish.update(() => ({ policy: put('policy/b.json') }))
    const { roles } = await loadCurrent(store, keys)
    assert.deepEqual(Object.keys(roles.policy.signed.targets), ['policy/a.json', 'policy/b.json'])
    assert.deepEqual(Object.keys(roles.release.signed.targets), ['release/ring-0.json'])
  })

  it('refuses to change what it has no key of, and writes nothing', async () => {
    const { store, publish } = await twoFunctions()
    await publish.refresh()
    const before = new Map(store.objects)
    await assert.rejects(
      publish.update(() => ({ release: put('release/ring-0.json') })),
      (error) =>
        error instanceof Failure && error.code === 'metadata-untrusted' && /release/.test(error.message),
    )
    assert.deepEqual(store.objects, before)
  })

  it('signs anew what grows old of its own, and leaves the rest to the other', async () => {
    const { store, keys, clock, publish, rollout } = await twoFunctions()
    await publish.refresh()
    await rollout.refresh()
    clock.advance(0.6 * LIFETIME_MS.policy)
    assert.equal(await publish.refresh(), true)
    const half = await loadCurrent(store, keys)
    assert.deepEqual([half.roles.policy.signed.version, half.roles.release.signed.version], [2, 1])
    assert.equal(await publish.refresh(), false)
    assert.equal(await rollout.refresh(), true)
    assert.equal((await loadCurrent(store, keys)).roles.release.signed.version, 2)
  })
})
