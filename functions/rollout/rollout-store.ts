/**
 * The rollout's state in the object store, changed by compare-and-swap and signed by the director:
 * who could write the bucket could else make the director release an old artifact under a new
 * number, or skip a ring. An old state that is put back only gives numbers that nodes refuse.
 */
import { PAYLOAD_TYPES } from '../../pipelines/contract/dsse.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { NO_ROLLOUT, RolloutState } from '../../pipelines/rollout/state.ts'
import type { ObjectStore } from '../ports.ts'
import type { RoleKeys } from '../trust/roles.ts'
import { openStatement, signStatement } from '../trust/statements.ts'

const KEY = 'rollout/state.json'
/** Bytes: about 1 KiB a node's report, and base64. */
const MAX_BYTES = 64 * 1024 * 1024

export type Remembered = { state: RolloutState; version: string | undefined }
/** What this process read or wrote last: a fleet's state is megabytes to parse, and seldom another's. */
export type Known = { bytes: Uint8Array; state: RolloutState } | null

/**
 * Throws Failure('metadata-untrusted') when the state is not the director's, Failure('metadata-rollback')
 * when it is an older one than this process has seen: with it, what was denied would be allowed again.
 */
export async function loadRollout(
  store: ObjectStore,
  director: RoleKeys,
  known: Known = null,
): Promise<Remembered> {
  const object = await store.get(KEY, MAX_BYTES)
  if (object === undefined && known === null) return { state: NO_ROLLOUT, version: undefined }
  if (object !== undefined && known !== null && Buffer.compare(object.bytes, known.bytes) === 0)
    return { state: known.state, version: object.version }
  const statement = object && openStatement(PAYLOAD_TYPES.rollout, object.bytes, director)
  const state = statement === undefined ? NO_ROLLOUT : RolloutState.parse(statement)
  if (state.revision < (known?.state.revision ?? 0)) {
    const message = `the rollout's state was set back from revision ${known?.state.revision} to ${state.revision}`
    throw new Failure('metadata-rollback', message)
  }
  return { state, version: object?.version }
}

/** Throws Failure('store-conflict') when another director was faster. */
export async function saveRollout(
  store: ObjectStore,
  director: RoleKeys,
  { state, version }: Remembered,
): Promise<Known> {
  const bytes = await signStatement(PAYLOAD_TYPES.rollout, RolloutState.parse(state), director)
  await store.replace(KEY, bytes, version)
  return { bytes, state }
}
