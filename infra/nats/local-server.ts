/** A nats-server of one's own: its keys, its configuration, its port. */
import { copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { openDisk } from '../../agent/disk.ts'
import type { NatsTls } from '../../functions/adapters/nats-bus.ts'
import { JWT_LIFE_MS } from '../../functions/bus/renewal.ts'
import type { ObjectStore } from '../../functions/ports.ts'
import { openAuthority } from './authority.ts'
import { ensureAuthority, ensureLeaf } from './certificates.ts'
import { ACCOUNTS, busFiles, ensureBus, publishMembers, seatMembers } from './members.ts'
import { ensureUserSeed } from './nkeys.ts'
import { type ClusterMember, serverConfig } from './server-config.ts'

const ANY_PORT = -1

/** What stands in the functions' configuration. */
export type FunctionsAccess = { credentials: string; tls?: NatsTls }
/** What a node is given: `certificate` only for those who don't ask the store for it. */
export type NodeAccess = { seed: string; tls: { ca: string; key: string } | null }

export type PreparedNats = {
  /** The bus's directory, as `heddle node admit --bus` asks for it. */
  directory: string
  /** Start this; it runs in the foreground. */
  command: string[]
  functions: FunctionsAccess
  accessOf(node: string): NodeAccess
  /** Lays what nodes need into the object store. */
  publish(store: ObjectStore, lifeMs?: number): Promise<void>
  /** Where clients find it; undefined until the server listens. */
  url(): Promise<string | undefined>
}

export type LocalNode = { name: string; ring: string }
export type BusOptions = { nodes: readonly LocalNode[]; tls: boolean }
/** A bus whose servers have yet to be written. */
export type Bus = Pick<PreparedNats, 'directory' | 'functions' | 'accessOf' | 'publish'>

/** Write keys and configuration below `directory`, an absolute path; keys that are there stay. */
export async function prepareNats(
  directory: string,
  host: string,
  nodes: readonly LocalNode[],
  { tls = false }: { tls?: boolean } = {},
): Promise<PreparedNats> {
  const bus = await prepareBus(directory, { nodes, tls })
  return { ...bus, ...(await prepareServer(bus, { name: 'nats', host, cluster: null })) }
}

/** The same without servers: keys of everybody, members, what the functions hold. */
export async function prepareBus(directory: string, { nodes, tls }: BusOptions): Promise<Bus> {
  const bus = await layBus(directory, tls)
  const members = nodes.map(async ({ name, ring }) => {
    return { node: name, ring, nkey: await ensureUserSeed(bus.accessOf(name).seed) }
  })
  await seatMembers(directory, await Promise.all(members))
  if (tls) {
    const clients = await ensureAuthority(busFiles(directory).keys, 'clients')
    for (const { name } of nodes) await ensureLeaf(clients, join(directory, 'nodes'), { name, use: 'client' })
  }
  return bus
}

/** A bus whose members are as they are, nobody at first. */
export async function layBus(directory: string, tls: boolean): Promise<Bus> {
  if (!isAbsolute(directory)) throw new RangeError(`${directory}: a server needs absolute paths`)
  const { keys } = busFiles(directory)
  const nodeFile = (name: string, suffix: string) => join(directory, 'nodes', `${name}.${suffix}`)
  await ensureBus(directory)
  const { credentials } = await openAuthority(keys)
  await openDisk(directory).write('functions.json', `${JSON.stringify(credentials, null, 2)}\n`)
  const functions: FunctionsAccess = { credentials: join(directory, 'functions.json') }
  if (tls) {
    const clients = await ensureAuthority(keys, 'clients')
    const leaf = await ensureLeaf(clients, directory, { name: 'functions', use: 'client' })
    functions.tls = { ...leaf, ca: clients.certificate }
  }
  return {
    directory,
    functions,
    accessOf: (name) => ({
      seed: nodeFile(name, 'nk'),
      tls: tls ? { ca: join(keys, 'clients-ca.pem'), key: nodeFile(name, 'key') } : null,
    }),
    async publish(store, lifeMs = JWT_LIFE_MS) {
      await publishMembers(directory, store, lifeMs)
    },
  }
}

export type ServerPlace = {
  name: string
  host: string
  /** Without it any free one. */
  port?: number
  cluster: Omit<ClusterMember, 'name' | 'tls'> | null
}

/** One server of the bus: all that it needs lies in its directory, below `servers`. */
export async function prepareServer(
  bus: Bus,
  { name, host, port = ANY_PORT, cluster }: ServerPlace,
): Promise<Pick<PreparedNats, 'command' | 'url'>> {
  const { keys, servers, accounts } = busFiles(bus.directory)
  const directory = join(servers, name)
  const portsDirectory = join(directory, 'ports')
  // The file of a server that was killed would name a port that is another's by now.
  await rm(portsDirectory, { recursive: true, force: true })
  await mkdir(portsDirectory, { recursive: true, mode: 0o700 })
  const leafOf = async (authority: string, use: 'server' | 'route') => {
    const signer = await ensureAuthority(keys, authority)
    const ca = join(directory, `${authority}-ca.pem`)
    await copyFile(signer.certificate, ca)
    return { ...(await ensureLeaf(signer, directory, { name: use, use, addresses: [host] })), ca }
  }
  const config = serverConfig({
    host,
    port,
    portsDirectory,
    pidFile: join(directory, 'nats.pid'),
    accountsFile: ACCOUNTS,
    tls: bus.functions.tls === undefined ? null : await leafOf('clients', 'server'),
    cluster: cluster && { ...cluster, name, tls: await leafOf('routes', 'route') },
  })
  await copyFile(accounts, join(directory, ACCOUNTS))
  await openDisk(directory).write('nats.conf', config)
  return {
    command: ['nats-server', '-c', join(directory, 'nats.conf')],
    url: () => readUrl(portsDirectory),
  }
}

async function readUrl(portsDirectory: string): Promise<string | undefined> {
  for (const name of await readdir(portsDirectory)) {
    if (!name.endsWith('.ports')) continue
    try {
      const ports: { nats?: string[] } = JSON.parse(await readFile(join(portsDirectory, name), 'utf8'))
      return ports.nats?.[0]
    } catch {
      // Half written: the next look finds it whole.
    }
  }
  return undefined
}
