/**
 * The rollout's state in the object store, changed by compare-and-swap and signed by the director:
 * who could write the bucket could else make the director release an old artifact under a new
 * number, or skip a ring. An old state that is put back only gives numbers that nodes refuse.
 */
import { PAYLOAD_TYPES } from '../../pipelines/contract/dsse.ts'
import { NO_ROLLOUT, RolloutState } from '../../pipelines/rollout/state.ts'
import type { ObjectStore } from '../ports.ts'
import type { RoleKeys } from '../trust/roles.ts'
import { openStatement, signStatement } from '../trust/statements.ts'

const KEY = 'rollout/state.json'
/** Bytes: about 1 KiB a node's report, and base64. */
const MAX_BYTES = 64 * 1024 * 1024

export type Remembered = { state: RolloutState; version: string | undefined }

/** Throws Failure('metadata-untrusted') when the state is not the director's. */
export async function loadRollout(store: ObjectStore, director: RoleKeys): Promise<Remembered> {
  const object = await store.get(KEY, MAX_BYTES)
  if (object === undefined) return { state: NO_ROLLOUT, version: undefined }
  const statement = openStatement(PAYLOAD_TYPES.rollout, object.bytes, director)
  return { state: RolloutState.parse(statement), version: object.version }
}

/** Throws Failure('store-conflict') when another director was faster. */
export async function saveRollout(
  store: ObjectStore,
  director: RoleKeys,
  { state, version }: Remembered,
): Promise<void> {
  const envelope = await signStatement(PAYLOAD_TYPES.rollout, RolloutState.parse(state), director)
  await store.replace(KEY, envelope, version)
}
