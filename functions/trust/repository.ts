/**
 * Writer of the TUF repository in the object store, with the online keys alone: what the offline
 * keys say (root, targets, code) an operator's command has put there, and this verifies it before it
 * names it in a snapshot.
 *
 * Order of writes: target files, then the roles' metadata, then the snapshot, and last the
 * timestamp by compare-and-swap: the one act that makes all of it visible. A writer that dies
 * before leaves numbered files that nothing points at; the next one takes the next free number. A
 * writer that loses the race reads again and does its change again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { MetaFile, Metadata, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models'
import type { Json } from '../../pipelines/contract/canonical-json.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { type DelegatedRoleName, metadataKey, targetKey } from '../../pipelines/contract/object-keys.ts'
import type { Clock, ObjectStore } from '../ports.ts'
import { type Authority, readAuthority } from './authority.ts'
import { keyIdOf } from './keys.ts'
import { type AnyMetadata, expiry, SPEC_VERSION, sha256Hex, sign } from './metadata.ts'
import { type Current, loadCurrent, needsRefresh } from './repository-state.ts'
import { LIFETIME_MS, type OnlineKeys, type OnlineRole, type RoleKeys } from './roles.ts'

/** A file that a role vouches for. */
export type Target = { path: string; bytes: Uint8Array; custom?: Json }
/** Roles whose targets the functions list. */
const LISTED_ROLES = ['policy', 'release'] as const
type ListedRole = (typeof LISTED_ROLES)[number]
/** Targets to add or put in the place of those with the same path, and paths to drop. */
export type Change = Partial<Record<ListedRole, { put?: readonly Target[]; drop?: readonly string[] }>>
/** A role's targets as they are: path → what the role says of it. */
export type View = (role: DelegatedRoleName) => ReadonlyMap<string, { custom: Record<string, unknown> }>

/** Lost races before we say so; every loss means that somebody else got something done. */
const MAX_ATTEMPTS = 32
/** A loser pauses at most 2 to the power of this as long as its attempt took: for 20 at once it is enough. */
const MAX_SPREAD = 3
/** Orphans of dead writers to step over. */
const MAX_SKIPPED_VERSIONS = 1000
/** Steps of 1, 2, 4 and so on over numbers that losers have taken: these reach a million. */
const MAX_STEPS = 20

/**
 * `trustedRoot`: root.json that the authority's chain of roots begins at. `keys`: a listed role without
 * signers is another function's, which alone changes it and signs it anew.
 */
type Parts = { store: ObjectStore; keys: OnlineKeys; clock: Clock; trustedRoot: Uint8Array }

export class Repository {
  readonly #store: ObjectStore
  readonly #keys: OnlineKeys
  readonly #clock: Clock
  readonly #trustedRoot: Uint8Array

  constructor({ store, keys, clock, trustedRoot }: Parts) {
    this.#store = store
    this.#keys = keys
    this.#clock = clock
    this.#trustedRoot = trustedRoot
  }

  /**
   * Brings the repository to what `change` asks for, and keeps its metadata fresh. `change` is asked
   * again after a lost race. Writes nothing, and says so, when nothing changes and nothing ages.
   * Throws Failure('store-conflict' | 'store-unavailable' | 'metadata-untrusted').
   */
  async update(change: (view: View) => Change): Promise<boolean> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const began = performance.now()
      const current = await loadCurrent(this.#store, this.#keys)
      const wanted = change((role) => viewOf(current.roles[role].signed))
      try {
        return await this.#commit(current, wanted)
      } catch (error) {
        if (!(error instanceof Failure && error.code === 'store-conflict')) throw error
        // Losers that come back together lose together, and step over each other's numbers.
        const spread = 2 ** Math.min(attempt, MAX_SPREAD)
        await sleep(Math.random() * spread * (performance.now() - began))
      }
    }
    throw new Failure('store-conflict', `lost ${MAX_ATTEMPTS} races for the repository`)
  }

  /** Signs anew what has lived half of its life, and takes over what the offline keys have signed. */
  refresh(): Promise<boolean> {
    return this.update(() => ({}))
  }

  async #commit(current: Current, wanted: Change): Promise<boolean> {
    const listed: Record<string, MetaFile> = { ...current.snapshot?.signed.meta }
    const from = { targets: listed['targets.json']?.version ?? 1, code: listed['code.json']?.version ?? 1 }
    const authority = await readAuthority(this.#store, this.#trustedRoot, from)
    const ours = LISTED_ROLES.filter((role) => this.#keys[role].signers.length > 0)
    for (const role of ['snapshot', 'timestamp', ...ours] as const)
      mayWeSign(authority, role, this.#keys[role])
    const others = LISTED_ROLES.find((role) => wanted[role] !== undefined && !ours.includes(role))
    if (others !== undefined)
      throw new Failure('metadata-untrusted', `this function has no key of ${others}, and may not change it`)

    const meta: Record<string, MetaFile> = {
      ...listed,
      'targets.json': authority.targets.file,
      'code.json': authority.code.file,
    }
    for (const role of ours) {
      const { signed } = current.roles[role]
      const targets = await this.#writeTargets(signed, wanted[role] ?? {})
      if (targets === undefined && this.#stands(role, current.roles[role])) continue
      meta[`${role}.json`] = await this.#writeRole(role, signed.version, targets ?? signed.targets)
    }
    const same = Object.entries(meta).every(([name, file]) => listed[name]?.equals(file))
    if (!same || !this.#stands('snapshot', current.snapshot)) {
      await this.#writeTimestamp(current, await this.#writeSnapshot(current, meta))
    } else if (!this.#stands('timestamp', current.timestamp)) {
      await this.#writeTimestamp(current, current.timestamp?.signed.snapshotMeta)
    } else return false
    return true
  }

  /** Not old, and signed by each of our keys (`mayWeSign`: they are enough): one that is new must show before it is needed. */
  #stands(role: OnlineRole, metadata: AnyMetadata | undefined): boolean {
    if (metadata === undefined || needsRefresh(role, metadata.signed.expires, this.#clock.now())) return false
    return this.#keys[role].signers.every(({ publicKey }) => keyIdOf(publicKey) in metadata.signatures)
  }

  /** Undefined = the role says that already. */
  async #writeTargets(signed: Targets, change: NonNullable<Change[ListedRole]>) {
    const targets = { ...signed.targets }
    let changed = false
    for (const target of change.put ?? []) {
      const file = targetFile(target)
      if (targets[target.path]?.equals(file)) continue
      await writeTarget(this.#store, target)
      targets[target.path] = file
      changed = true
    }
    for (const path of change.drop ?? []) {
      if (targets[path] === undefined) continue
      delete targets[path]
      changed = true
    }
    return changed ? targets : undefined
  }

  #writeRole(role: ListedRole, version: number, targets: Record<string, TargetFile>) {
    const expires = expiry(this.#clock.now(), LIFETIME_MS[role])
    return writeAbove(this.#store, role, version, (next) =>
      sign(
        new Metadata(new Targets({ version: next, specVersion: SPEC_VERSION, expires, targets })),
        this.#keys[role].signers,
      ),
    )
  }

  #writeSnapshot(current: Current, meta: Record<string, MetaFile>): Promise<MetaFile> {
    const expires = expiry(this.#clock.now(), LIFETIME_MS.snapshot)
    const { signers } = this.#keys.snapshot
    return writeNumbered(this.#store, 'snapshot', current.snapshot?.signed.version ?? 0, (version) =>
      sign(new Metadata(new Snapshot({ version, specVersion: SPEC_VERSION, expires, meta })), signers),
    )
  }

  async #writeTimestamp(current: Current, snapshotMeta: MetaFile | undefined): Promise<void> {
    if (snapshotMeta === undefined) throw new RangeError('a timestamp needs a snapshot')
    const version = (current.timestamp?.signed.version ?? 0) + 1
    const expires = expiry(this.#clock.now(), LIFETIME_MS.timestamp)
    const timestamp = new Timestamp({ version, specVersion: SPEC_VERSION, expires, snapshotMeta })
    const bytes = await sign(new Metadata(timestamp), this.#keys.timestamp.signers)
    await this.#store.replace(metadataKey('timestamp.json'), bytes, current.timestampVersion)
  }
}

/** Nodes would refuse what we sign: better to stop here, and to say which key is missing. */
function mayWeSign({ root, targets }: Authority, role: OnlineRole, keys: RoleKeys): void {
  const { roles } =
    role === 'policy' || role === 'release' ? (targets.metadata.signed.delegations ?? {}) : root.signed
  const { keyIDs = [], threshold = 1 } = roles?.[role] ?? {}
  const ours = new Set(keys.signers.map(({ publicKey }) => keyIdOf(publicKey)))
  const missing = keyIDs.filter((id) => !ours.has(id))
  if (keyIDs.length - missing.length >= threshold) return
  throw new Failure(
    'metadata-untrusted',
    `root ${root.signed.version} wants ${role} signed by keys that are not here: give them to the functions and start them again`,
    { detail: missing.map((id) => `${role} key ${id}`) },
  )
}

export function targetFile({ path, bytes, custom }: Target): TargetFile {
  const hashes = { sha256: sha256Hex(bytes) }
  const form = { length: bytes.length, hashes, ...(custom === undefined ? {} : { custom }) }
  return TargetFile.fromJSON(path, form as Parameters<typeof TargetFile.fromJSON>[1])
}

export async function writeTarget(store: ObjectStore, { path, bytes }: Target): Promise<void> {
  await store.create(targetKey(path, sha256Hex(bytes)), bytes)
}

type Make = (version: number) => Promise<Uint8Array>

/** Creates `<n>.<role>.json` under the first free number above `last`: whoever reads all of them finds no gap. */
export async function writeNumbered(
  store: ObjectStore,
  role: string,
  last: number,
  make: Make,
): Promise<MetaFile> {
  for (let version = last + 1; version <= last + MAX_SKIPPED_VERSIONS; version++) {
    const file = await createNumbered(store, role, version, make)
    if (file !== undefined) return file
  }
  throw new Failure('store-conflict', `no free number for ${role} after ${last}`)
}

/**
 * The same under some free number above `last`, for roles whose numbers a snapshot names: many writers at once
 * leave many taken, and to try each of them would cost each writer a request for every other one.
 */
async function writeAbove(store: ObjectStore, role: string, last: number, make: Make): Promise<MetaFile> {
  for (let step = 0, version = last + 1; step < MAX_STEPS; version += 2 ** step++) {
    const file = await createNumbered(store, role, version, make)
    if (file !== undefined) return file
  }
  throw new Failure('store-conflict', `no free number for ${role} after ${last}`)
}

/** Undefined = the number is taken. */
async function createNumbered(
  store: ObjectStore,
  role: string,
  version: number,
  make: Make,
): Promise<MetaFile | undefined> {
  const bytes = await make(version)
  if ((await store.create(metadataKey(`${version}.${role}.json`), bytes)) === 'exists') return undefined
  return new MetaFile({ version, length: bytes.length, hashes: { sha256: sha256Hex(bytes) } })
}

function viewOf(signed: Targets): ReturnType<View> {
  return new Map(Object.values(signed.targets).map(({ path, custom }) => [path, { custom }]))
}
