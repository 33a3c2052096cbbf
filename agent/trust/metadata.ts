/**
 * TUF metadata of the fleet: refreshed from the store, or opened again from
 * what was verified before.
 * Source: https://theupdateframework.github.io/specification/v1.0.31/
 */
import type { TargetFile } from '@tufjs/models'
import { BadVersionError, DownloadHTTPError, ExpiredMetadataError, RuntimeError } from 'tuf-js/dist/error.js'
import { TrustedMetadataStore } from 'tuf-js/dist/store.js'
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'
import { DELEGATED_ROLES, type DelegatedRoleName } from '../../pipelines/contract/object-keys.ts'
import type { Store } from '../ports.ts'
import { METADATA_URL, storeFetcher } from './fetcher.ts'
import { checkKeys, type Signers, signersOf } from './keys.ts'
import { type Client, memoryUpdater } from './memory-updater.ts'
import { checkDelegate, checkDelegations, checkRoleNames } from './star.ts'

/**
 * Role -> raw JSON, each verified before it got here. `root` is always there;
 * `root.<n>` are the roots on the way to it from the pinned one.
 */
export const Bundle = z.record(z.string(), z.string())
export type Bundle = z.infer<typeof Bundle>

/** Limits handed to tuf-js, in bytes and files. */
const LIMITS = {
  maxRootRotations: 64,
  rootMaxLength: 65_536,
  timestampMaxLength: 16_384,
  snapshotMaxLength: 262_144,
  targetsMaxLength: 8 * 1024 * 1024,
}
const FILES = ['root', 'timestamp', 'snapshot', 'targets', ...DELEGATED_ROLES]

export type TrustedMetadata = {
  bundle: Bundle
  /** A target as role `role` lists it; roles never answer for each other's folders. */
  target(role: DelegatedRoleName, path: string): TargetFile | undefined
  signers(role: DelegatedRoleName): Signers
}

export type Refreshed = {
  /** What was verified so far, also when the refresh failed half way (a newer root, say). */
  bundle: Bundle
  metadata: TrustedMetadata | Failure
}

/**
 * Bring `bundle` up to date from the store. `now` is the time that expiry is
 * judged by (milliseconds). The caller keeps the returned bundle atomically.
 */
export async function refreshMetadata(
  bundle: Bundle,
  from: { store: Store; now: number },
): Promise<Refreshed> {
  const files = only(FILES, bundle)
  const fetched: Bundle = {}
  const metadata = await refresh(from, files, fetched).catch((error: unknown) => metadataFailure(error))
  const after = withRoots(only(FILES, files), { ...bundle, ...fetched })
  return {
    bundle: after,
    metadata: metadata instanceof Failure ? metadata : { ...metadata, bundle: after },
  }
}

async function refresh(
  from: { store: Store; now: number },
  files: Bundle,
  fetched: Bundle,
): Promise<TrustedMetadata> {
  let last: unknown
  const remember = (error: unknown) => {
    last = error
  }
  const { updater, trusted } = openUpdater(from, files, remember, (name, text) => {
    fetched[name] = text
  })
  try {
    await updater.refresh()
    if (trusted.targets === undefined) throw new Failure('metadata-untrusted', 'no targets metadata')
    checkDelegations(trusted.targets)
    for (const role of DELEGATED_ROLES) await updater.loadTargets(role, 'targets')
  } catch (error) {
    // tuf-js wraps causes into text; the last error that it saw is the cause.
    throw error instanceof RuntimeError && last !== undefined ? last : error
  }
  return open(trusted, files)
}

/**
 * tuf-js as this node uses it: over the object store, with our limits and our clock. `files` is what was
 * trusted before, by role, and what is by now. `remember` and `keepRoot` are those of the fetcher.
 */
export function openUpdater(
  from: { store: Store; now: number },
  files: Bundle,
  remember: (error: unknown) => void,
  keepRoot: (name: string, text: string) => void,
): { updater: Client; trusted: TrustedMetadataStore } {
  const updater = memoryUpdater(files, {
    metadataBaseUrl: METADATA_URL,
    fetcher: storeFetcher(from.store, remember, keepRoot),
    config: LIMITS,
  })
  const trusted = updater.trustedSet
  // tuf-js takes the machine's clock; ours never goes below the persisted floor.
  trusted['referenceTime'] = new Date(from.now)
  updater.trustedSet = observed(trusted, remember)
  return { updater, trusted }
}

/**
 * Metadata that this node verified before, from the pinned root on, without
 * store and without judging expiry. Signatures, versions and hashes are
 * verified again. Throws Failure('metadata-untrusted' | 'metadata-rollback').
 */
export function openMetadata(pinnedRoot: string, bundle: Bundle): TrustedMetadata {
  try {
    const trusted = followRoots(pinnedRoot, bundle)
    trusted['referenceTime'] = new Date(0)
    trusted.updateTimestamp(raw(bundle, 'timestamp'))
    trusted.updateSnapshot(raw(bundle, 'snapshot'), true)
    trusted.updateDelegatedTargets(raw(bundle, 'targets'), 'targets', 'root')
    for (const role of DELEGATED_ROLES) trusted.updateDelegatedTargets(raw(bundle, role), role, 'targets')
    return open(trusted, bundle)
  } catch (error) {
    throw metadataFailure(error)
  }
}

/** The trusted set at the bundle's root. Throws when no chain of signatures leads there from the pinned one. */
function followRoots(pinnedRoot: string, bundle: Bundle): TrustedMetadataStore {
  const trusted = new TrustedMetadataStore(Buffer.from(pinnedRoot))
  const last = raw(bundle, 'root')
  for (let version = trusted.root.signed.version + 1; version <= versionOf(last.toString()); version++) {
    trusted.updateRoot(raw(bundle, `root.${version}`))
  }
  const { version } = trusted.root.signed
  // Another root under the same number is another root of trust.
  const reached = bundle[`root.${version}`] ?? pinnedRoot
  if (reached !== last.toString()) {
    throw new Failure('metadata-untrusted', 'no chain of roots leads from the pinned one to this')
  }
  return trusted
}

/** Does the bundle's root descend from the pinned one? */
export function leadsFrom(pinnedRoot: string, bundle: Bundle): boolean {
  try {
    followRoots(pinnedRoot, bundle)
    return true
  } catch {
    return false
  }
}

function open(trusted: TrustedMetadataStore, bundle: Bundle): TrustedMetadata {
  const targets = trusted.targets
  if (targets === undefined) throw new Failure('metadata-untrusted', 'no targets metadata')
  checkKeys(trusted.root.signed.keys)
  checkRoleNames(bundle['targets'] ?? '')
  checkDelegations(targets)
  for (const role of DELEGATED_ROLES) {
    const delegate = trusted.getRole(role)
    if (delegate === undefined) throw new Failure('metadata-untrusted', `no ${role} metadata`)
    checkDelegate(role, delegate)
  }
  return {
    bundle,
    target(role, path) {
      const listed = trusted.getRole(role)?.signed.targets ?? {}
      return path.startsWith(`${role}/`) && Object.hasOwn(listed, path) ? listed[path] : undefined
    },
    signers(role) {
      const { delegations } = targets.signed
      const delegated = delegations?.roles?.[role]
      if (delegations === undefined || delegated === undefined) {
        throw new Failure('metadata-untrusted', `nobody may speak as ${role}`)
      }
      return signersOf(delegated, delegations.keys)
    },
  }
}

/** The same store, which also tells every error that it throws. */
function observed(store: TrustedMetadataStore, remember: (error: unknown) => void): TrustedMetadataStore {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return (...values: unknown[]) => {
        try {
          return Reflect.apply(member, target, values)
        } catch (error) {
          remember(error)
          throw error
        }
      }
    },
  })
}

function metadataFailure(cause: unknown): Failure {
  if (cause instanceof Failure) return cause
  const message = cause instanceof Error ? cause.message : String(cause)
  // A full disk says nothing against what it has no space for.
  if (cause instanceof ExpiredMetadataError) return new Failure('metadata-expired', message, { cause })
  if (cause instanceof BadVersionError) return new Failure('metadata-rollback', message, { cause })
  if (cause instanceof DownloadHTTPError) return new Failure('store-unavailable', message, { cause })
  return new Failure('metadata-untrusted', message, { cause })
}

/** Adds those of `roots` that lead to the trusted one. What was fetched beyond it was refused. */
function withRoots(bundle: Bundle, roots: Bundle): Bundle {
  const last = versionOf(bundle['root'] ?? '{}')
  const chain = Object.entries(roots).filter(([name]) => {
    const version = Number(/^root\.(\d+)$/.exec(name)?.[1] ?? Number.NaN)
    return version <= last
  })
  return { ...bundle, ...Object.fromEntries(chain) }
}

function versionOf(metadata: string): number {
  return Number(JSON.parse(metadata)?.signed?.version)
}

/** Those of `roles` that are there, in this order: equal bundles are equal JSON. */
function only(roles: readonly string[], bundle: Bundle): Bundle {
  const there = roles.flatMap((role) => {
    const text = bundle[role]
    return text === undefined ? [] : [[role, text] as const]
  })
  return Object.fromEntries(there)
}

function raw(bundle: Bundle, role: string): Buffer {
  const text = bundle[role]
  if (text === undefined) throw new Failure('metadata-untrusted', `no ${role} metadata`)
  return Buffer.from(text)
}
