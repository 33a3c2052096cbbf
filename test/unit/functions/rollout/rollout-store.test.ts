import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadRollout, saveRollout } from '../../../../functions/rollout/rollout-store.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { NO_ROLLOUT } from '../../../../pipelines/rollout/state.ts'
import { memoryKeys } from '../../../fakes/keys.ts'
import { memoryStore } from '../../../fakes/memory-store.ts'

const { release, policy } = memoryKeys()
const KEY = 'rollout/state.json'
const failsWith = (code: string) => (error: unknown) => error instanceof Failure && error.code === code

describe("the rollout's state in the store", () => {
  it('is believed when the director has signed it, and nobody else', async () => {
    const store = memoryStore()
    await saveRollout(store, policy, { state: NO_ROLLOUT, version: undefined })
    await assert.rejects(loadRollout(store, release), failsWith('metadata-untrusted'))
  })

  it('is not believed when it is older than what this process has seen, or gone', async () => {
    const store = memoryStore()
    await saveRollout(store, release, { state: { ...NO_ROLLOUT, revision: 1 }, version: undefined })
    const old = store.objects.get(KEY)
    const { version } = await loadRollout(store, release)
    const known = await saveRollout(store, release, { state: { ...NO_ROLLOUT, revision: 2 }, version })
    assert.equal((await loadRollout(store, release, known)).state, known?.state)
    store.objects.set(KEY, old ?? new Uint8Array())
    await assert.rejects(loadRollout(store, release, known), failsWith('metadata-rollback'))
    store.objects.delete(KEY)
    await assert.rejects(loadRollout(store, release, known), failsWith('metadata-rollback'))
  })

  it('is read again when another director has changed it', async () => {
    const store = memoryStore()
    const known = await saveRollout(store, release, {
      state: { ...NO_ROLLOUT, revision: 1 },
      version: undefined,
    })
    const { version } = await loadRollout(store, release)
    await saveRollout(store, release, { state: { ...NO_ROLLOUT, revision: 2, number: 7 }, version })
    assert.equal((await loadRollout(store, release, known)).state.number, 7)
  })
})
