/**
 * Who keeps which keys, as directories: the offline ones, which may lie on several media that an
 * operator brings together for one command, and the online one, of which only the public halves are read.
 */
import { existsSync, readFileSync } from 'node:fs'
import { readFile, rename } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { checkRoot, type RootFacts } from '../../agent/trust/pin.ts'
import { addKey, ensureKeys, openSigners, readPublicKeys } from '../../functions/adapters/dev-keys.ts'
import { makeDirectory, syncDirectory, writeTemporary } from '../../functions/adapters/durable-file.ts'
import type { Clock } from '../../functions/ports.ts'
import { newest, readAuthority, readRoots } from '../../functions/trust/authority.ts'
import { begin, extend, restart, signCode } from '../../functions/trust/ceremony.ts'
import { keyIdOf } from '../../functions/trust/keys.ts'
import { encode } from '../../functions/trust/metadata.ts'
import type { Target } from '../../functions/trust/repository.ts'
import {
  NEW_ROLE,
  OFFLINE_ROLES,
  type OfflineRole,
  ROLES,
  type RoleName,
} from '../../functions/trust/roles.ts'
import { pastKeys, type Rotated, rotate } from '../../functions/trust/rotation.ts'
import { type Members, quorumOf, type Table } from '../../functions/trust/signing.ts'
import { type TrustStatus, trustStatus } from '../../functions/trust/trust-status.ts'
import { readLogTarget } from '../../functions/log/named-log.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { LogTarget } from '../../pipelines/contract/log.ts'
import { type RotatedLog, rotateLog, withLog } from './log-keys.ts'
import { openStore } from '../store/open-store.ts'

export type Custody = {
  /** Address of the object store (pipelines/contract/store-address.ts). */
  store: string
  /** The trusted root: written by `init`, read by everything else, pinned by nodes. */
  root: string
  /** Directories with offline keys; new ones are made in the first. */
  offline: readonly string[]
  /** Directory with the online roles' and the log's public keys; in development their private halves are made there too. */
  online: string
  /** Name of the log, said when it begins. */
  origin?: string | undefined
}

/** Where a local stack says its store's address for commands on this machine, if it is no directory of its own. */
export const addressFileOfStack = (stack: string): string => join(resolve(stack), 'cloud', 'store-address')

/** A local stack: the offline keys lie outside of what its functions are given. */
export function custodyOfStack(stack: string): Custody {
  const cloud = join(resolve(stack), 'cloud')
  const address = addressFileOfStack(stack)
  return {
    store: existsSync(address) ? readFileSync(address, 'utf8') : join(cloud, 'store'),
    root: join(cloud, 'root.json'),
    offline: [join(resolve(stack), 'offline-keys')],
    online: join(cloud, 'keys'),
  }
}

const clock: Clock = { now: () => new Date() }

/** Makes what is missing of keys, root, targets and code; where all is there it changes nothing. */
export async function initTrust(custody: Custody, code: readonly Target[]): Promise<RootFacts> {
  const made = await readFile(custody.root).catch(() => undefined)
  if (made !== undefined) {
    await signCheckout(custody, code)
    return checkRoot(made.toString())
  }
  for (const role of ROLES) await ensureKeys(directoryOf(custody, role), role, NEW_ROLE[role].keys)
  const members = await Promise.all(
    ROLES.map(async (role): Promise<[RoleName, Members]> => {
      return [role, { keys: await publicKeysOf(custody, role), threshold: NEW_ROLE[role].threshold }]
    }),
  )
  const table = await tableOf(custody)
  const root = await begin(
    table,
    Object.fromEntries(members) as Record<RoleName, Members>,
    await withLog(code, { table, ...custody }),
  )
  await writeRoot(custody.root, root)
  return checkRoot(Buffer.from(root).toString())
}

/** `save`: where the newest root goes, for nodes that will be enrolled. */
export async function statusOfTrust(
  custody: Pick<Custody, 'store' | 'root'>,
  save?: string,
): Promise<TrustStatus & { log: LogTarget | null }> {
  const store = await openStore(custody.store, clock)
  const trusted = await readFile(custody.root)
  const log = (await readLogTarget(store, trusted)) ?? null
  const status = { ...(await trustStatus(store, trusted, clock)), log }
  if (save !== undefined)
    await writeRoot(save, encode(newest(await readRoots(store, trusted)).toJSON() as never))
  return status
}

/** `keys`: ids, or beginnings of ids, of those that go; without them all of the role's go. */
export async function rotateKeys(
  custody: Custody,
  role: RoleName,
  { keys, now }: { keys?: readonly string[]; now: boolean },
): Promise<Rotated> {
  const table = await tableOf(custody)
  const trusted = await readFile(custody.root)
  const { root, targets } = await readAuthority(table.store, trusted)
  const { keyIDs } = quorumOf({ root, targets: targets.metadata }, role)
  const drop = keys === undefined ? keyIDs : keys.map((text) => onlyKey(role, keyIDs, text))
  const fresh = await freshKeys(custody, role, {
    past: await pastKeys(table.store, role),
    count: drop.length,
  })
  // Read again: keys that were just made sign too.
  return rotate(await tableOf(custody), trusted, { role, drop, fresh, now })
}

export async function extendTrust(custody: Custody, roles?: readonly OfflineRole[]): Promise<OfflineRole[]> {
  return extend(await tableOf(custody), await readFile(custody.root), roles)
}

export async function signCheckout(custody: Custody, code: readonly Target[]): Promise<boolean> {
  const [table, trustedRoot] = [await tableOf(custody), await readFile(custody.root)]
  return signCode(table, trustedRoot, await withLog(code, { table, trustedRoot, ...custody }))
}

/** `drop`: numbers of the log's keys that go; see log-keys.ts. */
export async function rotateLogKey(custody: Custody, drop?: readonly string[]): Promise<RotatedLog> {
  return rotateLog(await tableOf(custody), await readFile(custody.root), { online: custody.online, drop })
}

/** `from`: the last root that is believed, where whoever stole the threshold has signed newer ones. */
export async function restartTrust(custody: Custody, from?: number): Promise<RootFacts> {
  const { store } = await tableOf(custody)
  const trusted = await readFile(custody.root)
  const past = await pastKeys(store, 'root')
  const keys = await freshKeys(custody, 'root', { past, count: NEW_ROLE.root.keys })
  const members = { keys, threshold: NEW_ROLE.root.threshold }
  const root = await restart(await tableOf(custody), { trustedRoot: trusted, members, from })
  await writeRoot(custody.root, root)
  return checkRoot(Buffer.from(root).toString())
}

/** Keys that the role has never had: those that an interrupted command made, then new ones. */
async function freshKeys(
  custody: Custody,
  role: RoleName,
  { past, count }: { past: ReadonlySet<string>; count: number },
): Promise<Uint8Array[]> {
  const known = await publicKeysOf(custody, role)
  const fresh = known.filter((key) => !past.has(keyIdOf(key))).slice(0, count)
  while (fresh.length < count) fresh.push(await addKey(directoryOf(custody, role), role))
  return fresh
}

async function tableOf({ store, offline }: Custody): Promise<Table> {
  const keyring = (await Promise.all(offline.map((directory) => openSigners(directory)))).flat()
  return { store: await openStore(store, clock), clock, keyring }
}

const isOffline = (role: RoleName): boolean => (OFFLINE_ROLES as readonly RoleName[]).includes(role)

function directoryOf({ offline: [first], online }: Custody, role: RoleName): string {
  if (!isOffline(role)) return online
  if (first === undefined) throw new RangeError('no directory for the offline keys')
  return first
}

async function publicKeysOf({ offline, online }: Custody, role: RoleName): Promise<Uint8Array[]> {
  const directories = isOffline(role) ? offline : [online]
  return (await Promise.all(directories.map((directory) => readPublicKeys(directory, role)))).flat()
}

function onlyKey(role: RoleName, keyIDs: readonly string[], text: string): string {
  const [found, ...more] = keyIDs.filter((id) => id.startsWith(text))
  if (found !== undefined && more.length === 0) return found
  const message = `${text} is ${found === undefined ? 'no key' : 'the beginning of several keys'} of ${role}`
  throw new Failure('metadata-untrusted', message, { detail: keyIDs.map((id) => `${role} key ${id}`) })
}

async function writeRoot(file: string, root: Uint8Array): Promise<void> {
  await makeDirectory(dirname(file))
  await rename(await writeTemporary(dirname(file), root), file)
  await syncDirectory(dirname(file))
}
