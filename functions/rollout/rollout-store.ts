/** The rollout's state in the object store, changed by compare-and-swap. */
import { canonicalJson, type Json } from '../../pipelines/contract/canonical-json.ts'
import { NO_ROLLOUT, RolloutState } from '../../pipelines/rollout.ts'
import type { ObjectStore } from '../ports.ts'

const KEY = 'rollout/state.json'
/** Bytes: about 1 KiB a node's report. */
const MAX_BYTES = 64 * 1024 * 1024

export async function loadRollout(
  store: ObjectStore,
): Promise<{ state: RolloutState; version: string | undefined }> {
  const object = await store.get(KEY, MAX_BYTES)
  if (object === undefined) return { state: NO_ROLLOUT, version: undefined }
  return {
    state: RolloutState.parse(JSON.parse(Buffer.from(object.bytes).toString('utf8'))),
    version: object.version,
  }
}

/** Throws Failure('store-conflict') when another director was faster. */
export async function saveRollout(
  store: ObjectStore,
  state: RolloutState,
  version: string | undefined,
): Promise<void> {
  await store.replace(KEY, Buffer.from(canonicalJson(RolloutState.parse(state) as Json)), version)
}
