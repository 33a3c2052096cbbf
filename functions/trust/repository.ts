/**
 * Writer of the TUF repository in the object store.
 *
 * Order of writes: target files, then the roles' metadata, then the snapshot, and last the
 * timestamp by compare-and-swap: the one act that makes all of it visible. A writer that dies
 * before leaves numbered files that nothing points at; the next one takes the next free number. A
 * writer that loses the race reads again and does its change again.
 */
import { MetaFile, Metadata, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models'
import type { Json } from '../../pipelines/contract/canonical-json.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import {
  DELEGATED_ROLES,
  type DelegatedRoleName,
  metadataKey,
  targetKey,
} from '../../pipelines/contract/object-keys.ts'
import type { Clock, ObjectStore } from '../ports.ts'
import { expiry, SPEC_VERSION, sha256Hex, sign } from './metadata.ts'
import { type Current, loadCurrent, needsRefresh, needsTimestamp } from './repository-state.ts'
import { type AllKeys, LIFETIME_MS, type OnlineKeys } from './roles.ts'

/** A file that a role vouches for. */
export type Target = { path: string; bytes: Uint8Array; custom?: Json }
/** Targets to add or put in the place of those with the same path, and paths to drop. */
export type Change = Partial<Record<DelegatedRoleName, { put?: readonly Target[]; drop?: readonly string[] }>>
/** A role's targets as they are: path → what the role says of it. */
export type View = (role: DelegatedRoleName) => ReadonlyMap<string, { custom: Record<string, unknown> }>

/** Lost races before we say so; every loss means that somebody else got something done. */
const MAX_ATTEMPTS = 32
/** Orphans of dead writers to step over. */
const MAX_SKIPPED_VERSIONS = 1000

export type RepositoryKeys = OnlineKeys & Partial<Pick<AllKeys, 'code'>>

export class Repository {
  readonly #store: ObjectStore
  readonly #keys: RepositoryKeys
  readonly #clock: Clock

  constructor(store: ObjectStore, keys: RepositoryKeys, clock: Clock) {
    this.#store = store
    this.#keys = keys
    this.#clock = clock
  }

  /**
   * Brings the repository to what `change` asks for, and keeps its metadata fresh. `change` is asked
   * again after a lost race. Writes nothing, and says so, when nothing changes and nothing ages.
   * Throws Failure('store-conflict' | 'store-unavailable' | 'metadata-untrusted').
   */
  async update(change: (view: View) => Change): Promise<boolean> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const current = await loadCurrent(this.#store, this.#keys)
      const wanted = change((role) => viewOf(current.roles[role].signed))
      try {
        return await this.#commit(current, wanted)
      } catch (error) {
        if (!(error instanceof Failure && error.code === 'store-conflict')) throw error
      }
    }
    throw new Failure('store-conflict', `lost ${MAX_ATTEMPTS} races for the repository`)
  }

  /** Signs anew what has lived half of its life. */
  refresh(): Promise<boolean> {
    return this.update(() => ({}))
  }

  async #commit(current: Current, wanted: Change): Promise<boolean> {
    const now = this.#clock.now()
    const meta: Record<string, MetaFile> = { ...current.snapshot.signed.meta }
    let changed = needsRefresh('snapshot', current.snapshot.signed.expires, now)
    for (const role of DELEGATED_ROLES) {
      const signed = current.roles[role].signed
      const targets = await this.#writeTargets(signed, wanted[role] ?? {})
      const aged = this.#keys[role] !== undefined && needsRefresh(role, signed.expires, now)
      if (targets === undefined && !aged) continue
      meta[`${role}.json`] = await this.#writeRole(role, signed.version, targets ?? signed.targets)
      changed = true
    }
    if (changed) await writeSnapshot(this.#store, this.#keys, now, current, meta)
    else if (needsTimestamp(current, now)) await writeTimestamp(this.#store, this.#keys, now, current)
    else return false
    return true
  }

  /** Undefined = the role says that already. */
  async #writeTargets(signed: Targets, change: NonNullable<Change[DelegatedRoleName]>) {
    const targets = { ...signed.targets }
    let changed = false
    for (const { path, bytes, custom } of change.put ?? []) {
      const sha256 = sha256Hex(bytes)
      const form = { length: bytes.length, hashes: { sha256 }, ...(custom === undefined ? {} : { custom }) }
      const target = TargetFile.fromJSON(path, form as Parameters<typeof TargetFile.fromJSON>[1])
      if (targets[path]?.equals(target)) continue
      await this.#store.create(targetKey(path, sha256), bytes)
      targets[path] = target
      changed = true
    }
    for (const path of change.drop ?? []) {
      if (targets[path] === undefined) continue
      delete targets[path]
      changed = true
    }
    return changed ? targets : undefined
  }

  async #writeRole(role: DelegatedRoleName, version: number, targets: Record<string, TargetFile>) {
    const keys = this.#keys[role]
    if (keys === undefined) throw new Failure('metadata-untrusted', `the key of ${role} is not here`)
    const expires = expiry(this.#clock.now(), LIFETIME_MS[role])
    return writeNumbered(this.#store, role, version, (next) =>
      sign(new Metadata(new Targets({ version: next, specVersion: SPEC_VERSION, expires, targets })), keys),
    )
  }
}

/** The ceremony's part: from nothing to a first timestamp, or nothing when there is one. */
export async function firstCommit(
  store: ObjectStore,
  keys: AllKeys,
  clock: Clock,
  content: { targets: Targets; code: readonly Target[] },
): Promise<void> {
  const now = clock.now()
  if ((await store.get(metadataKey('timestamp.json'), 1_000_000)) === undefined) {
    const meta: Record<string, MetaFile> = {
      'targets.json': await writeNumbered(store, 'targets', 0, (version) =>
        sign(new Metadata(new Targets({ ...content.targets, version })), keys.targets),
      ),
    }
    for (const role of DELEGATED_ROLES) {
      const expires = expiry(now, LIFETIME_MS[role])
      meta[`${role}.json`] = await writeNumbered(store, role, 0, (version) =>
        sign(
          new Metadata(new Targets({ version, specVersion: SPEC_VERSION, expires, targets: {} })),
          keys[role],
        ),
      )
    }
    await writeSnapshot(store, keys, now, undefined, meta)
  }
  await new Repository(store, keys, clock).update(() => ({ code: { put: content.code } }))
}

async function writeSnapshot(
  store: ObjectStore,
  keys: OnlineKeys,
  now: Date,
  current: Current | undefined,
  meta: Record<string, MetaFile>,
): Promise<void> {
  const expires = expiry(now, LIFETIME_MS.snapshot)
  const snapshot = await writeNumbered(store, 'snapshot', current?.snapshot.signed.version ?? 0, (version) =>
    sign(new Metadata(new Snapshot({ version, specVersion: SPEC_VERSION, expires, meta })), keys.snapshot),
  )
  await writeTimestamp(store, keys, now, current, snapshot)
}

async function writeTimestamp(
  store: ObjectStore,
  keys: OnlineKeys,
  now: Date,
  current: Current | undefined,
  snapshotMeta = current?.timestamp.signed.snapshotMeta,
): Promise<void> {
  if (snapshotMeta === undefined) throw new RangeError('a timestamp needs a snapshot')
  const version = (current?.timestamp.signed.version ?? 0) + 1
  const expires = expiry(now, LIFETIME_MS.timestamp)
  const timestamp = new Timestamp({ version, specVersion: SPEC_VERSION, expires, snapshotMeta })
  const bytes = await sign(new Metadata(timestamp), keys.timestamp)
  await store.replace(metadataKey('timestamp.json'), bytes, current?.timestampVersion)
}

/** Creates `<n>.<role>.json` under the first free number above `last`. */
async function writeNumbered(
  store: ObjectStore,
  role: string,
  last: number,
  make: (version: number) => Promise<Uint8Array>,
): Promise<MetaFile> {
  for (let version = last + 1; version <= last + MAX_SKIPPED_VERSIONS; version++) {
    const bytes = await make(version)
    if ((await store.create(metadataKey(`${version}.${role}.json`), bytes)) === 'exists') continue
    return new MetaFile({ version, length: bytes.length, hashes: { sha256: sha256Hex(bytes) } })
  }
  throw new Failure('store-conflict', `no free number for ${role} after ${last}`)
}

function viewOf(signed: Targets): ReturnType<View> {
  return new Map(Object.values(signed.targets).map(({ path, custom }) => [path, { custom }]))
}
