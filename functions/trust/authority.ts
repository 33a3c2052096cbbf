/**
 * What the offline keys say now, read from the store and verified from a trusted root on. Nobody
 * who reads it holds one of their keys: an operator's command writes numbered files, create-only.
 */
import { MetaFile, Metadata, MetadataKind, type Root, type Targets } from '@tufjs/models'
import { Failure } from '../../pipelines/contract/failures.ts'
import { metadataKey } from '../../pipelines/contract/object-keys.ts'
import type { ObjectStore } from '../ports.ts'
import { decode, isSigned, MAX_METADATA_BYTES, sha256Hex } from './metadata.ts'

/** Rotations from the pinned root on; a node follows no more than 64 at one look. */
const MAX_ROOTS = 1024
/** Versions of targets or code beyond a known one. */
const MAX_VERSIONS = 1024

/** A role's metadata, and how a snapshot names it. */
export type Listed = { metadata: Metadata<Targets>; file: MetaFile }
export type Authority = {
  /** From the trusted one to the newest. */
  roots: readonly [Metadata<Root>, ...Metadata<Root>[]]
  root: Metadata<Root>
  targets: Listed
  code: Listed
}

/**
 * The newest root that a chain of signatures leads to, and the newest targets and code that it
 * vouches for, none older than `from`. Throws Failure('metadata-untrusted' | 'metadata-rollback').
 */
export async function readAuthority(
  store: Pick<ObjectStore, 'get'>,
  trusted: Uint8Array,
  from = { targets: 1, code: 1 },
): Promise<Authority> {
  const roots = await readRoots(store, trusted)
  const root = newest(roots)
  const targets = await readVersions(store, 'targets', from.targets)
  const codes = await readVersions(store, 'code', from.code)
  for (const candidate of targets.reverse()) {
    if (!isSigned(root, 'targets', candidate.metadata)) continue
    const code = codes.findLast(({ metadata }) => isSigned(candidate.metadata, 'code', metadata))
    if (code !== undefined) return { roots, root, targets: candidate, code }
  }
  throw new Failure(
    'metadata-untrusted',
    `no targets with code in the store are signed as root ${root.signed.version} wants: see heddle trust status`,
  )
}

export const newest = (roots: Authority['roots']): Metadata<Root> => roots.at(-1) ?? roots[0]

/**
 * TUF 5.3: each root signed by the one before and by itself, one version up; expiry
 * of one in between is nobody's concern. One that is refused ends the walk, or with `until-refused` only
 * the chain: where a thief or a new root of trust has broken it.
 */
export async function readRoots(
  store: Pick<ObjectStore, 'get'>,
  trusted: Uint8Array,
  mode: 'all' | 'until-refused' = 'all',
): Promise<Authority['roots']> {
  const first = readRoot(trusted, 'the trusted root')
  if (!isSigned(first, 'root', first)) {
    throw new Failure('metadata-untrusted', 'the trusted root is not signed by its own keys')
  }
  const roots: [Metadata<Root>, ...Metadata<Root>[]] = [first]
  while (roots.length < MAX_ROOTS) {
    const last = newest(roots)
    const version = last.signed.version + 1
    const key = metadataKey(`${version}.root.json`)
    const stored = await store.get(key, MAX_METADATA_BYTES)
    if (stored === undefined) return roots
    try {
      roots.push(following(last, stored.bytes, key))
    } catch (error) {
      if (mode === 'all') throw error
      return roots
    }
  }
  throw new Failure('limit-exceeded', `more than ${MAX_ROOTS} roots follow the trusted one: pin a newer one`)
}

function readRoot(bytes: Uint8Array, name: string): Metadata<Root> {
  try {
    return decode(bytes, (data) => Metadata.fromJSON(MetadataKind.Root, data))
  } catch (cause) {
    const message = `${name} is no root: nodes stop there until it is deleted or a new root of trust goes around it`
    throw new Failure('metadata-untrusted', message, { cause })
  }
}

function following(last: Metadata<Root>, bytes: Uint8Array, key: string): Metadata<Root> {
  const next = readRoot(bytes, key)
  const { version } = last.signed
  // 5.3.4: arbitrary software attack.
  if (!isSigned(last, 'root', next) || !isSigned(next, 'root', next)) {
    throw new Failure('metadata-untrusted', `${key} is not signed by root ${version} and by itself`)
  }
  // 5.3.5: rollback attack.
  if (next.signed.version !== version + 1) {
    throw new Failure('metadata-rollback', `${key} is version ${next.signed.version}`)
  }
  return next
}

/** Every readable version from `first` on, oldest first. What else lies there is nobody's metadata. */
export async function readVersions(
  store: Pick<ObjectStore, 'get'>,
  role: 'targets' | 'code',
  first = 1,
): Promise<Listed[]> {
  const found: Listed[] = []
  for (let version = first; version < first + MAX_VERSIONS; version++) {
    const stored = await store.get(metadataKey(`${version}.${role}.json`), MAX_METADATA_BYTES)
    if (stored === undefined) break
    const listed = readListed(stored.bytes, version)
    if (listed !== undefined) found.push(listed)
  }
  return found
}

function readListed(bytes: Uint8Array, version: number): Listed | undefined {
  try {
    const metadata = decode(bytes, (data) => Metadata.fromJSON(MetadataKind.Targets, data))
    if (metadata.signed.version !== version) return undefined
    const file = new MetaFile({ version, length: bytes.length, hashes: { sha256: sha256Hex(bytes) } })
    return { metadata, file }
  } catch {
    return undefined
  }
}
