/**
 * Rotation: other keys for a role. In two steps where nodes would else take nothing new for a
 * while: first what is published gets the new keys' signatures beside the old ones (prepared), then
 * the root or the targets name the new keys alone (rotated). The same call does whichever is next.
 */
import { Metadata, MetadataKind, type Root, Targets } from '@tufjs/models'
import { Failure } from '../../pipelines/contract/failures.ts'
import { metadataKey } from '../../pipelines/contract/object-keys.ts'
import { type Authority, readAuthority, readVersions } from './authority.ts'
import { keyIdOf } from './keys.ts'
import { decode, isSigned, MAX_METADATA_BYTES } from './metadata.ts'
import { readPublished } from './published.ts'
import type { RoleName } from './roles.ts'
import {
  type Json,
  type Members,
  nextRoot,
  quorumOf,
  setRole,
  type Table,
  writeListed,
  writeRoot,
} from './signing.ts'

export type Rotation = {
  role: RoleName
  /** Ids of the role's keys that go; what is not named stays. */
  drop: readonly string[]
  /** Public keys that come, 32 bytes each. */
  fresh: readonly Uint8Array[]
  /** A stolen key: don't wait until what is published is signed by the new keys too. */
  now: boolean
}

/** `prepared`: call again when the functions have published with the new keys. */
export type Rotated = { state: 'prepared' | 'rotated'; role: RoleName; keys: string[] }

/** Throws Failure('metadata-untrusted' | 'store-conflict' | 'store-unavailable'). */
export async function rotate(table: Table, trustedRoot: Uint8Array, rotation: Rotation): Promise<Rotated> {
  const { role, now } = rotation
  const authority = await readAuthority(table.store, trustedRoot)
  const members = nextMembers(authority, rotation)
  const keys = members.keys.map(keyIdOf)
  if (role === 'root' || role === 'targets' || role === 'snapshot' || role === 'timestamp') {
    const next = nextRoot(table, authority.root.signed, (json) => setRole(json, role, members))
    const judge = new Metadata(next)
    if (role === 'targets') await coSign(table, authority, { role, keys, judge })
    if (!now && !(await isReady(table, role, judge))) return { state: 'prepared', role, keys }
    await writeRoot(table, authority, next)
  } else {
    const next = nextTargets(authority, role, members)
    const judge = new Metadata(next)
    if (role === 'code') await coSign(table, authority, { role, keys, judge })
    if (!now && !(await isReady(table, role, judge))) return { state: 'prepared', role, keys }
    await writeListed(table, 'targets', next, [quorumOf({ root: authority.root }, 'targets')])
  }
  return { state: 'rotated', role, keys }
}

/** Roots and targets that are looked through; see authority.ts. */
const MAX_VERSIONS = 1024

/**
 * Ids of every key that a role has ever had, by whatever root: none of them comes back as a new one.
 * Nothing is verified: a file that somebody slipped in can only make a new key be left out.
 */
export async function pastKeys(store: Table['store'], role: RoleName): Promise<Set<string>> {
  const past = new Set<string>()
  const add = (ids: readonly string[] = []) => {
    for (const id of ids) past.add(id)
  }
  for (let version = 1; version < MAX_VERSIONS; version++) {
    const stored = await store.get(metadataKey(`${version}.root.json`), MAX_METADATA_BYTES)
    if (stored === undefined) break
    add(readableRoot(stored.bytes)?.roles[role]?.keyIDs)
  }
  for (const { metadata } of await readVersions(store, 'targets')) {
    add(metadata.signed.delegations?.roles?.[role]?.keyIDs)
  }
  return past
}

function readableRoot(bytes: Uint8Array): Root | undefined {
  try {
    return decode(bytes, (data) => Metadata.fromJSON(MetadataKind.Root, data)).signed
  } catch {
    return undefined
  }
}

function nextMembers(authority: Authority, { role, drop, fresh }: Rotation): Members {
  const { keyIDs, threshold } = quorumOf({ root: authority.root, targets: authority.targets.metadata }, role)
  const stranger = drop.find((id) => !keyIDs.includes(id))
  if (stranger !== undefined) throw new Failure('metadata-untrusted', `${stranger} is no key of ${role}`)
  const table = {
    ...authority.targets.metadata.signed.delegations?.keys,
    ...authority.root.signed.keys,
  }
  const kept = keyIDs.filter((id) => !drop.includes(id))
  const keptKeys = kept.map((id) => Buffer.from(table[id]?.keyVal['public'] ?? '', 'hex'))
  return { keys: [...keptKeys, ...fresh], threshold }
}

function nextTargets({ targets }: Authority, role: string, members: Members): Targets {
  const json = structuredClone(targets.metadata.signed.toJSON())
  setRole(json['delegations'] as Json, role, members)
  return Targets.fromJSON(json)
}

type Judge = Metadata<Root> | Metadata<Targets>

/** The same content, signed by the keys that come and by those of the old ones that are at hand. */
async function coSign(
  table: Table,
  authority: Authority,
  { role, keys, judge }: { role: 'targets' | 'code'; keys: readonly string[]; judge: Judge },
): Promise<void> {
  const { metadata } = authority[role]
  if (isSigned(judge, role, metadata)) return
  const known = { root: authority.root, targets: authority.targets.metadata }
  const coming = { of: `the next ${role}`, keyIDs: keys, threshold: quorumOf(known, role).threshold }
  await writeListed(table, role, metadata.signed, [{ ...quorumOf(known, role), threshold: 0 }, coming])
}

/** Would nodes that follow `judge` take what is published now? Code and targets are published together. */
async function isReady(table: Table, role: RoleName, judge: Judge): Promise<boolean> {
  if (role === 'root' || role === 'code') return true
  const published = (await readPublished(table.store))[role]
  // Nothing published, nobody waits for it.
  return published === undefined || isSigned(judge, role, published)
}
