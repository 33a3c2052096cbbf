/** What the repository says now, read from its timestamp down, and what of it grows old. */
import { type MetaFile, Metadata, MetadataKind, type Snapshot, Targets, type Timestamp } from '@tufjs/models'
import { Failure } from '../../pipelines/contract/failures.ts'
import { DELEGATED_ROLES, type DelegatedRoleName, metadataKey } from '../../pipelines/contract/object-keys.ts'
import type { ObjectStore } from '../ports.ts'
import { tufKey } from './keys.ts'
import { decode, expiry, MAX_METADATA_BYTES, SPEC_VERSION, sha256Hex } from './metadata.ts'
import { LIFETIME_MS, type OnlineKeys, REFRESH_PART, type RoleKeys, type RoleName } from './roles.ts'

export type Current = {
  /** The store's name of the timestamp that everything below was read from; undefined = there is none. */
  timestampVersion: string | undefined
  timestamp: Metadata<Timestamp> | undefined
  snapshot: Metadata<Snapshot> | undefined
  /** Before the first timestamp, or before its own first: of version 0, empty, signed by nobody. */
  roles: Record<DelegatedRoleName, Metadata<Targets>>
}

/**
 * The writer must not sign what somebody else has put into the store: timestamp and snapshot must
 * carry our own signatures, the rest the digests that they name. Throws Failure('metadata-untrusted').
 */
export async function loadCurrent(store: ObjectStore, keys: OnlineKeys): Promise<Current> {
  const stored = await store.get(metadataKey('timestamp.json'), MAX_METADATA_BYTES)
  if (stored === undefined) return nothingYet()
  const timestamp = decode(stored.bytes, (data) => Metadata.fromJSON(MetadataKind.Timestamp, data))
  assertSigned(timestamp, keys.timestamp, 'timestamp')
  const snapshot = decode(await numbered(store, 'snapshot', timestamp.signed.snapshotMeta), (data) =>
    Metadata.fromJSON(MetadataKind.Snapshot, data),
  )
  assertSigned(snapshot, keys.snapshot, 'snapshot')
  const { roles } = nothingYet()
  for (const role of DELEGATED_ROLES) {
    const meta = snapshot.signed.meta[`${role}.json`]
    // Our own snapshot says that whoever has the role's key has not signed yet.
    if (meta === undefined) continue
    const bytes = await numbered(store, role, meta)
    roles[role] = decode(bytes, (data) => Metadata.fromJSON(MetadataKind.Targets, data))
  }
  return { timestampVersion: stored.version, timestamp, snapshot, roles }
}

function nothingYet() {
  const empty = () =>
    new Metadata(new Targets({ version: 0, specVersion: SPEC_VERSION, expires: expiry(new Date(0), 0) }))
  const roles = { code: empty(), policy: empty(), release: empty() }
  return { timestampVersion: undefined, timestamp: undefined, snapshot: undefined, roles }
}

function assertSigned(
  metadata: Metadata<Timestamp> | Metadata<Snapshot>,
  keys: RoleKeys,
  role: string,
): void {
  const signers = new Set<string>()
  for (const signer of keys.signers) {
    const key = tufKey(signer.publicKey)
    try {
      key.verifySignature(metadata)
      signers.add(key.keyID)
    } catch {
      // Not by this key; the threshold below decides.
    }
  }
  if (signers.size < keys.threshold)
    throw new Failure(
      'metadata-untrusted',
      `the ${role} in the store is not signed by the keys of ${role} that are here; after a rotation keep the old key until the functions have signed with the new one`,
    )
}

async function numbered(store: ObjectStore, role: string, meta: MetaFile): Promise<Uint8Array> {
  const stored = await store.get(metadataKey(`${meta.version}.${role}.json`), MAX_METADATA_BYTES)
  if (stored === undefined) throw new Failure('metadata-untrusted', `the metadata of ${role} is missing`)
  if (sha256Hex(stored.bytes) !== meta.hashes?.['sha256']) {
    throw new Failure('metadata-untrusted', `the metadata of ${role} is not what the snapshot names`)
  }
  return stored.bytes
}

export function needsRefresh(role: RoleName, expires: string, now: Date): boolean {
  return Date.parse(expires) - now.getTime() < LIFETIME_MS[role] * REFRESH_PART
}
