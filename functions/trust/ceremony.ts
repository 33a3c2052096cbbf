/**
 * Ceremonies: what an operator signs with the offline keys. Each writes numbered files create-only,
 * the one that others lean on last, so a ceremony that dies is simply held again. The functions
 * take over what verifies; nothing here needs one of their keys, only their public halves.
 */
import { Metadata, MetadataKind, Root, Targets } from '@tufjs/models'
import { Failure } from '../../pipelines/contract/failures.ts'
import { DELEGATED_ROLES, metadataKey } from '../../pipelines/contract/object-keys.ts'
import { newest, readAuthority, readRoots, readVersions } from './authority.ts'
import { decode, expiry, isSigned, MAX_METADATA_BYTES, SPEC_VERSION } from './metadata.ts'
import { type Target, targetFile, writeTarget } from './repository.ts'
import { needsRefresh } from './repository-state.ts'
import { LIFETIME_MS, type OfflineRole, OFFLINE_ROLES, type RoleName, TOP_ROLES } from './roles.ts'
import {
  enrol,
  type Json,
  type Members,
  nextRoot,
  quorumOf,
  setRole,
  signBy,
  type Table,
  writeListed,
  writeRoot,
} from './signing.ts'

/**
 * The first root, its targets and the code that they vouch for. Held again after a death it goes
 * on; where all of it is there it changes nothing. Returns the root to pin. Throws
 * Failure('metadata-untrusted') when the store has the root of other keys.
 */
export async function begin(
  table: Table,
  members: Record<RoleName, Members>,
  code: readonly Target[],
): Promise<Uint8Array> {
  const { store, keyring } = table
  const made = new Metadata(rootOf(table, members))
  const signed = await signBy(keyring, made, [quorumOf({ root: made }, 'root')])
  const key = metadataKey('1.root.json')
  await store.create(key, signed)
  const pinned = (await store.get(key, MAX_METADATA_BYTES))?.bytes ?? signed
  const root = newest(await readRoots(store, pinned))
  if (!isSigned(made, 'root', (await readRoots(store, pinned))[0])) {
    throw new Failure('metadata-untrusted', `the store has a root of other keys in ${key}`)
  }
  await targetsOnce(table, root, members)
  await signCode(table, pinned, code)
  return pinned
}

async function targetsOnce(
  table: Table,
  root: Metadata<Root>,
  members: Record<RoleName, Members>,
): Promise<void> {
  const find = async () =>
    (await readVersions(table.store, 'targets')).findLast(({ metadata }) =>
      isSigned(root, 'targets', metadata),
    )
  if ((await find()) === undefined) {
    await writeListed(table, 'targets', targetsOf(table, members), [quorumOf({ root }, 'targets')])
  }
  const targets = (await find())?.metadata
  const codes = await readVersions(table.store, 'code')
  if (targets === undefined || codes.some(({ metadata }) => isSigned(targets, 'code', metadata))) return
  await writeListed(table, 'code', { targets: {} }, [quorumOf({ root, targets }, 'code')])
}

/** Lists exactly this code from now on. False = the code key has said so already. */
export async function signCode(
  table: Table,
  trustedRoot: Uint8Array,
  code: readonly Target[],
): Promise<boolean> {
  const { root, targets, code: now } = await readAuthority(table.store, trustedRoot)
  const listed = now.metadata.signed.targets
  const files = code.map(targetFile)
  const same = files.length === Object.keys(listed).length
  if (same && files.every((file) => listed[file.path]?.equals(file))) return false
  for (const target of code) await writeTarget(table.store, target)
  const content = { targets: Object.fromEntries(files.map((file) => [file.path, file])) }
  await writeListed(table, 'code', content, [quorumOf({ root, targets: targets.metadata }, 'code')])
  return true
}

/** Lists this beside the code that is listed, in the place of what has its path. */
export async function putCode(table: Table, trustedRoot: Uint8Array, target: Target): Promise<void> {
  const { root, targets, code: now } = await readAuthority(table.store, trustedRoot)
  await writeTarget(table.store, target)
  const content = { targets: { ...now.metadata.signed.targets, [target.path]: targetFile(target) } }
  await writeListed(table, 'code', content, [quorumOf({ root, targets: targets.metadata }, 'code')])
}

/**
 * Signs the same content anew with a later expiry: the roles given, or those that have lived half
 * of their life. The last root may have expired: its keys still say who comes after (TUF 5.3.10
 * judges the expiry of the final root only). Returns what was signed.
 */
export async function extend(
  table: Table,
  trustedRoot: Uint8Array,
  roles?: readonly OfflineRole[],
): Promise<OfflineRole[]> {
  const { root, targets, code } = await readAuthority(table.store, trustedRoot)
  const current = { root, targets: targets.metadata, code: code.metadata }
  const now = table.clock.now()
  const old = (role: OfflineRole) => needsRefresh(role, current[role].signed.expires, now)
  const due = OFFLINE_ROLES.filter((role) => roles?.includes(role) ?? old(role))
  if (due.includes('root')) await writeRoot(table, { root }, nextRoot(table, root.signed))
  for (const role of ['targets', 'code'] as const) {
    if (due.includes(role)) await writeListed(table, role, current[role].signed, [quorumOf(current, role)])
  }
  return due
}

/** Roots that a thief of the threshold may have put in the way. */
const MAX_IN_THE_WAY = 64

/**
 * A new root of trust where the old one's threshold is lost or stolen: next in number, signed by
 * its own keys alone. Every node refuses it, and goes on enforcing, until it is enrolled again with
 * it. Other roles stay as root `from` names them (without it, as the newest that verifies), and so
 * do all numbers: no node can be sent back. Returns the root to pin. Held again, it finds its own.
 */
export async function restart(
  table: Table,
  { trustedRoot, members, from }: { trustedRoot: Uint8Array; members: Members; from?: number | undefined },
): Promise<Uint8Array> {
  const roots = await readRoots(table.store, trustedRoot, 'until-refused')
  const last = from === undefined ? newest(roots) : roots.find(({ signed }) => signed.version === from)
  if (last === undefined) throw new Failure('metadata-untrusted', `no chain leads to root ${from}`)
  const next = nextRoot(table, last.signed, (json) => setRole(json, 'root', members))
  for (let skipped = 0; skipped < MAX_IN_THE_WAY; skipped++) {
    const json = { ...next.toJSON(), version: next.version + skipped }
    const root = new Metadata(Root.fromJSON(json))
    const bytes = await signBy(table.keyring, root, [quorumOf({ root }, 'root')])
    const key = metadataKey(`${json.version}.root.json`)
    if ((await table.store.create(key, bytes)) === 'created') return bytes
    const there = (await table.store.get(key, MAX_METADATA_BYTES))?.bytes
    if (there !== undefined && isSelf(root, there)) return there
  }
  throw new Failure('store-conflict', `${MAX_IN_THE_WAY} roots lie in the way of a new one`)
}

/** A root that these very keys signed, in a ceremony that died. */
function isSelf(root: Metadata<Root>, bytes: Uint8Array): boolean {
  try {
    return isSigned(
      root,
      'root',
      decode(bytes, (data) => Metadata.fromJSON(MetadataKind.Root, data)),
    )
  } catch {
    return false
  }
}

function rootOf({ clock }: Table, members: Record<RoleName, Members>): Root {
  const json: Json = {
    _type: 'root',
    version: 1,
    spec_version: SPEC_VERSION,
    expires: expiry(clock.now(), LIFETIME_MS.root),
    consistent_snapshot: true,
    keys: {},
    roles: {},
  }
  for (const role of TOP_ROLES) setRole(json, role, members[role])
  return Root.fromJSON(json)
}

/** Terminating and by disjoint paths: no diamond, so that no role can answer for another's target. */
function targetsOf({ clock }: Table, members: Record<RoleName, Members>): Targets {
  const keys: Json = {}
  const roles = DELEGATED_ROLES.map((name) => ({
    name,
    terminating: true,
    paths: [`${name}/*`],
    ...enrol(members[name].keys, members[name].threshold, keys),
  }))
  return Targets.fromJSON({
    _type: 'targets',
    version: 1,
    spec_version: SPEC_VERSION,
    expires: expiry(clock.now(), LIFETIME_MS.targets),
    targets: {},
    delegations: { keys, roles },
  })
}
