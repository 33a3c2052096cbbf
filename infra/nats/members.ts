/**
 * Which nodes a bus knows: `bus.json` of who enrols, and what follows from it for servers (accounts.conf) and for
 * who renews (the object store). A key that was revoked is remembered and never admitted again, whoever asks.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromPublic } from '@nats-io/nkeys'
import { z } from 'zod'
import { openDisk } from '../../agent/disk.ts'
import { withLock } from '../../functions/adapters/file-lock.ts'
import { natsIssuer } from '../../functions/adapters/nats-issuer.ts'
import { type Renewed, renewal } from '../../functions/bus/renewal.ts'
import type { ObjectStore } from '../../functions/ports.ts'
import {
  type BusMember,
  BusMembers,
  MAX_CREDENTIAL_BYTES,
  MAX_MEMBERS_BYTES,
  UserKey,
} from '../../pipelines/contract/bus-members.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { BUS_MEMBERS_KEY, busCertificateKey } from '../../pipelines/contract/object-keys.ts'
import { openAuthority } from './authority.ts'
import { ensureAuthority, signRequest } from './certificates.ts'
import { accountsConfig } from './server-config.ts'

const STATE = 'bus.json'
export const ACCOUNTS = 'accounts.conf'
/** Times 2 ms: how long a change waits for another one. */
const LOCK_TRIES = 2_500

const State = z.strictObject({
  schema: z.literal('heddle.bus/1'),
  members: BusMembers,
  revoked: z.array(UserKey),
})
type State = z.infer<typeof State>
const NOBODY: State = { schema: 'heddle.bus/1', members: [], revoked: [] }

export type Membership = {
  /** Keys that the bus knew before and knows no more. */
  revoked: string[]
  /** Servers of this machine that have been told; others need their new `accounts.conf`, and a reload. */
  reloaded: string[]
}

/** Files of a bus, below its directory. */
export const busFiles = (directory: string) => ({
  keys: join(directory, 'keys'),
  accounts: join(directory, ACCOUNTS),
  servers: join(directory, 'servers'),
  certificate: (node: string) => join(directory, 'nodes', `${node}.pem`),
})

/**
 * The node speaks with this key from now on; what it had before is revoked. Twice is once. `request`: what the
 * node asks for a certificate with. Throws Failure('metadata-untrusted') for a key that was revoked,
 * 'schema-violation' for one that is none.
 */
export async function admitNode(
  directory: string,
  member: BusMember,
  request: string | null = null,
): Promise<Membership> {
  const { revoked } = await readState(directory)
  checkKey(member.nkey)
  if (revoked.includes(member.nkey)) {
    throw new Failure('metadata-untrusted', `${member.nkey} was revoked: enrol the node again with a new key`)
  }
  if (request !== null) {
    const authority = await ensureAuthority(busFiles(directory).keys, 'clients')
    const certificate = await signRequest(authority, request, { name: member.node, use: 'client' })
    await openDisk(directory).write(`nodes/${member.node}.pem`, certificate)
  }
  return change(directory, member.node, [member])
}

/** A key with a typing error would stand in the way of everybody's renewal. */
function checkKey(nkey: string): void {
  try {
    fromPublic(nkey).getPublicKey()
  } catch (cause) {
    throw new Failure('schema-violation', `${nkey} is no public key: its checksum is wrong`, { cause })
  }
}

/** The node's keys open no connection any more, and those that are open end. Twice is once. */
export function revokeNode(directory: string, node: string): Promise<Membership> {
  return change(directory, node, [])
}

/** The members that a bus begins with. Who is revoked stays out. */
export async function seatMembers(directory: string, members: readonly BusMember[]): Promise<void> {
  const { revoked } = await readState(directory)
  const seated = members.filter(({ nkey }) => !revoked.includes(nkey))
  await writeState(directory, { ...NOBODY, members: seated, revoked })
}

/**
 * Brings the object store in line: the signed list, certificates, and a JWT for whoever has none that lasts.
 * Throws Failure('store-conflict' | 'store-unavailable'): run again.
 */
export async function publishMembers(
  directory: string,
  store: ObjectStore,
  lifeMs: number,
): Promise<Renewed> {
  const files = busFiles(directory)
  const { credentials, signMembers } = await openAuthority(files.keys)
  const { members } = await readState(directory)
  const issuer = natsIssuer(credentials)
  const kept = await store.get(BUS_MEMBERS_KEY, MAX_MEMBERS_BYTES)
  if (kept === undefined || !isSame(issuer.members(kept.bytes), members))
    await store.replace(BUS_MEMBERS_KEY, Buffer.from(await signMembers(members)), kept?.version)
  for (const { node } of members) {
    const certificate = await readFile(files.certificate(node)).catch(() => undefined)
    if (certificate !== undefined) await put(store, busCertificateKey(node), certificate)
  }
  const renew = renewal({ store, issuer, clock: { now: () => new Date() } }, lifeMs)
  let issued = 0
  for (;;) {
    const last = await renew()
    issued += last.issued
    if (last.issued === 0) return { members: members.length, issued }
  }
}

async function put(store: ObjectStore, key: string, bytes: Uint8Array): Promise<void> {
  const kept = await store.get(key, MAX_CREDENTIAL_BYTES)
  if (kept === undefined || Buffer.compare(kept.bytes, bytes) !== 0)
    await store.replace(key, bytes, kept?.version)
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)

async function change(directory: string, node: string, its: BusMember[]): Promise<Membership> {
  // Asked before the lock: it would make the directory of a mistyped path.
  await readState(directory)
  const gone = await withLock(join(directory, '.lock'), LOCK_TRIES, async () => {
    const { members, revoked } = await readState(directory)
    const keys = members.filter((known) => known.node === node).map(({ nkey }) => nkey)
    const lost = keys.filter((nkey) => !its.some((member) => member.nkey === nkey))
    await writeState(directory, {
      ...NOBODY,
      members: [...members.filter((known) => known.node !== node), ...its],
      revoked: [...new Set([...revoked, ...lost])],
    })
    return lost
  })
  return { revoked: gone, reloaded: await reload(busFiles(directory).servers) }
}

async function readState(directory: string): Promise<State> {
  const bytes = await openDisk(directory).read(STATE)
  const file = join(directory, STATE)
  if (bytes === undefined)
    throw new Failure('schema-violation', `${file} is not there: ${directory} is no bus`)
  try {
    return State.parse(JSON.parse(Buffer.from(bytes).toString()))
  } catch (cause) {
    throw new Failure('schema-violation', `${file} is nothing that heddle has written for a bus`, { cause })
  }
}

/** A bus without anybody, where there is none; servers' files as this version of Heddle writes them. */
export async function ensureBus(directory: string): Promise<void> {
  const there = await openDisk(directory).read(STATE)
  await writeState(directory, there === undefined ? NOBODY : await readState(directory))
}

async function writeState(directory: string, state: State): Promise<void> {
  const disk = openDisk(directory)
  const { keys, servers } = busFiles(directory)
  const accounts = accountsConfig(await (await openAuthority(keys)).accounts(state.revoked))
  // First: a death in between must not let a revoked key back in.
  for (const name of await readdir(servers).catch(() => []))
    await disk.write(join('servers', name, ACCOUNTS), accounts)
  await disk.write(ACCOUNTS, accounts)
  await disk.write(STATE, `${JSON.stringify(State.parse(state), null, 2)}\n`)
}

/** SIGHUP makes nats-server read its configuration again and end what it no longer allows; nobody else notices. */
async function reload(servers: string): Promise<string[]> {
  const told: string[] = []
  for (const name of await readdir(servers).catch(() => [])) {
    const directory = join(servers, name)
    const pid = Number(await readFile(join(directory, 'nats.pid'), 'utf8').catch(() => ''))
    if (!Number.isInteger(pid) || pid < 2) continue
    // A pid outlives its process: only the server of this very configuration is told.
    const command = await readFile(join('/proc', String(pid), 'cmdline'), 'utf8').catch(() => '')
    if (!command.split('\0').includes(join(directory, 'nats.conf'))) continue
    process.kill(pid, 'SIGHUP')
    told.push(name)
  }
  return told
}
