/** One act of an operator: the next root, targets or code, signed by those who must. */
import { Metadata, Root, Targets } from '@tufjs/models'
import { Failure } from '../../pipelines/contract/failures.ts'
import { metadataKey } from '../../pipelines/contract/object-keys.ts'
import type { Clock, ObjectStore, Signer } from '../ports.ts'
import { type Authority, readVersions } from './authority.ts'
import { keyIdOf, tufKey } from './keys.ts'
import { expiry, SPEC_VERSION, sign } from './metadata.ts'
import { writeNumbered } from './repository.ts'
import { LIFETIME_MS, type RoleName } from './roles.ts'

/** What lies before the operator. `keyring`: the offline keys that are at hand, of whatever role. */
export type Table = { store: ObjectStore; clock: Clock; keyring: readonly Signer[] }
/** A role's keys by their public halves, 32 bytes each. */
export type Members = { keys: readonly Uint8Array[]; threshold: number }
/** Keys of which `threshold` must sign, and what they are the keys of. */
export type Quorum = { of: string; keyIDs: readonly string[]; threshold: number }
/** The signed part of a root or of delegations, while it is changed. */
export type Json = ReturnType<Root['toJSON']>

/** Who may speak as a role now. */
export function quorumOf(
  { root, targets }: { root: Metadata<Root>; targets?: Metadata<Targets> },
  role: RoleName,
): Quorum {
  const found = root.signed.roles[role] ?? targets?.signed.delegations?.roles?.[role]
  if (found === undefined) throw new Failure('metadata-untrusted', `nobody may speak as ${role}`)
  return { of: `${role} (root ${root.signed.version})`, keyIDs: found.keyIDs, threshold: found.threshold }
}

/** The next root, signed by the keys of the last one and by its own (TUF 5.3.4). Throws Failure('store-conflict'). */
export async function writeRoot(table: Table, { root }: Pick<Authority, 'root'>, next: Root): Promise<void> {
  const metadata = new Metadata(next)
  const quorums = [quorumOf({ root }, 'root'), quorumOf({ root: metadata }, 'root')]
  await createRoot(table.store, next.version, await signBy(table.keyring, metadata, quorums))
}

async function createRoot(store: ObjectStore, version: number, bytes: Uint8Array): Promise<void> {
  const key = metadataKey(`${version}.root.json`)
  if ((await store.create(key, bytes)) === 'created') return
  throw new Failure('store-conflict', `${key} is there already: see heddle trust status, then run this again`)
}

export function nextRoot({ clock }: Table, last: Root, change: (json: Json) => void = () => {}): Root {
  const expires = expiry(clock.now(), LIFETIME_MS.root)
  const json = { ...structuredClone(last.toJSON()), version: last.version + 1, expires }
  change(json)
  return Root.fromJSON(json)
}

/** The next targets or code. Whoever verifies finds it; until then it is a file that nothing names. */
export async function writeListed(
  { store, clock, keyring }: Table,
  role: 'targets' | 'code',
  content: Pick<Targets, 'targets'> & Partial<Pick<Targets, 'delegations'>>,
  quorums: readonly Quorum[],
): Promise<void> {
  const expires = expiry(clock.now(), LIFETIME_MS[role])
  const { targets, delegations } = content
  const last = (await readVersions(store, role)).at(-1)?.metadata.signed.version ?? 0
  await writeNumbered(store, role, last, (version) => {
    const parts = { version, specVersion: SPEC_VERSION, expires, targets }
    const signed = new Targets(delegations === undefined ? parts : { ...parts, delegations })
    return signBy(keyring, new Metadata(signed), quorums)
  })
}

/** Signs with every key at hand that a quorum names. Throws Failure('metadata-untrusted') naming what is missing. */
export async function signBy(
  keyring: readonly Signer[],
  metadata: Metadata<Root> | Metadata<Targets>,
  quorums: readonly Quorum[],
): Promise<Uint8Array> {
  const atHand = new Map(keyring.map((signer) => [keyIdOf(signer.publicKey), signer]))
  const signers = new Map<string, Signer>()
  for (const { of, keyIDs, threshold } of quorums) {
    const found = [...new Set(keyIDs)].filter((id) => atHand.has(id))
    if (found.length < threshold) {
      const detail = keyIDs.filter((id) => !atHand.has(id)).map((id) => `not at hand: ${id}`)
      const message = `${of} needs ${threshold} of its keys, ${found.length} are at hand: give --offline the directories of the others`
      throw new Failure('metadata-untrusted', message, { detail })
    }
    for (const id of found) signers.set(id, atHand.get(id) as Signer)
  }
  return sign(metadata, [...signers.values()])
}

/** Puts these keys in the place of a role's in a root or in delegations, and drops keys that no role names any more. */
export function setRole(json: Json, role: string, { keys, threshold }: Members): void {
  const table = json['keys'] as Json
  const entry = enrol(keys, threshold, table)
  // A root names its roles by key, delegations by `name`.
  const roles = json['roles'] as Record<string, typeof entry> | (typeof entry & { name: string })[]
  if (Array.isArray(roles)) Object.assign(roles.find(({ name }) => name === role) ?? {}, entry)
  else roles[role] = { ...roles[role], ...entry }
  const named = new Set(Object.values(roles).flatMap(({ keyids }) => keyids))
  json['keys'] = Object.fromEntries(Object.entries(table).filter(([id]) => named.has(id)))
}

/** Adds public keys to a table. A key given twice counts once, so it can't meet a threshold alone. */
export function enrol(
  keys: readonly Uint8Array[],
  threshold: number,
  table: Json,
): { keyids: string[]; threshold: number } {
  const ids = new Set<string>()
  for (const publicKey of keys) {
    const key = tufKey(publicKey)
    table[key.keyID] = key.toJSON()
    ids.add(key.keyID)
  }
  if (threshold < 1 || ids.size < threshold) {
    throw new RangeError(`${ids.size} keys can't meet a threshold of ${threshold}`)
  }
  return { keyids: [...ids], threshold }
}
