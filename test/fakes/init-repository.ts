/** A repository with a first timestamp: the operator's ceremony, then the functions' first publication. */
import type { Clock, ObjectStore } from '../../functions/ports.ts'
import { logCrypto } from '../../functions/log/log-reader.ts'
import { begin } from '../../functions/trust/ceremony.ts'
import { encode } from '../../functions/trust/metadata.ts'
import { Repository, type Target } from '../../functions/trust/repository.ts'
import { OFFLINE_ROLES, ROLES, type RoleName } from '../../functions/trust/roles.ts'
import type { Members, Table } from '../../functions/trust/signing.ts'
import { LOG_TARGET } from '../../pipelines/contract/log.ts'
import { formatKey } from '../../pipelines/log/signed-note.ts'
import type { AllKeys } from './keys.ts'

/** What lies before an operator who has all offline keys. */
export function tableOf(store: ObjectStore, keys: AllKeys, clock: Clock): Table {
  return { store, clock, keyring: OFFLINE_ROLES.flatMap((role) => keys[role].signers) }
}

export function membersOf(keys: AllKeys): Record<RoleName, Members> {
  const of = (role: RoleName): Members => ({
    keys: keys[role].signers.map(({ publicKey }) => publicKey),
    threshold: keys[role].threshold,
  })
  return Object.fromEntries(ROLES.map((role) => [role, of(role)])) as Record<RoleName, Members>
}

/** The log that `keys` keep, as the code key names it. */
export function logTarget(keys: AllKeys, origin = 'heddle.test/log'): Target {
  const named = keys.log.signers.map(({ publicKey }) =>
    formatKey(logCrypto.sha256, { name: origin, publicKey }),
  )
  return { path: LOG_TARGET, bytes: encode({ schema: 'heddle.log/1', origin, keys: named }) }
}

/** Returns the root to pin. */
export async function initRepository(
  store: ObjectStore,
  keys: AllKeys,
  code: readonly Target[],
  clock: Clock,
): Promise<Uint8Array> {
  const trustedRoot = await begin(tableOf(store, keys, clock), membersOf(keys), code)
  await new Repository({ store, keys, clock, trustedRoot }).refresh()
  return trustedRoot
}
