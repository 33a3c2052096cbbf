/** Who speaks on a real nats-server in a test: what a node shows there, and what its adapters are opened with. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromSeed, type KeyPair } from '@nats-io/nkeys'
import type { Authenticator, ConnectionOptions, TlsOptions } from '@nats-io/transport-node'
import type { NatsOptions } from '../../agent/adapters/nats-link.ts'
import { openDisk } from '../../agent/disk.ts'
import type { NatsSettings } from '../../functions/adapters/nats-bus.ts'
import { functionsUser, NatsCredentials } from '../../functions/adapters/nats-issuer.ts'
import type { ObjectStore } from '../../functions/ports.ts'
import type { Bus } from '../../infra/nats/local-server.ts'
import { BUS_SERVER_NAME } from '../../pipelines/contract/bus-members.ts'
import { busCertificateKey, busJwtKey } from '../../pipelines/contract/object-keys.ts'

const MAX_BYTES = 16_384
const MINUTE_MS = 60_000

export const noServer =
  (spawnSync('nats-server', ['--version']).error !== undefined && 'nats-server is not installed') ||
  (spawnSync('openssl', ['version']).error !== undefined && 'openssl is not installed')

export function startServer([command = '', ...parameters]: readonly string[]): ChildProcess {
  return spawn(command, parameters, { stdio: 'ignore' })
}

export async function killServer(server: ChildProcess | undefined): Promise<void> {
  if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
  const ended = once(server, 'exit')
  server.kill('SIGKILL')
  await ended
}

export type Shown = Pick<ConnectionOptions, 'authenticator' | 'tls'>

/** As our adapters have it: a server that reads its configuration again lets such a connection be. */
export const quiet =
  (jwt: string, keys: KeyPair): Authenticator =>
  (nonce = '') => ({ jwt, sig: Buffer.from(keys.sign(Buffer.from(nonce))).toString('base64url') })

/** As the node itself shows it, by hand. */
export async function shownBy(bus: Bus, store: ObjectStore, node: string): Promise<Shown> {
  const { seed, tls } = bus.accessOf(node)
  const text = async (key: string) => Buffer.from((await store.get(key, MAX_BYTES))?.bytes ?? []).toString()
  const authenticator = quiet(await text(busJwtKey(node)), await keysIn(seed))
  if (tls === null) return { authenticator }
  const cert = await text(busCertificateKey(node))
  return { authenticator, tls: tlsOptions({ caFile: tls.ca, keyFile: tls.key, cert }) }
}

export async function shownByFunctions(bus: Bus): Promise<Shown> {
  const { credentials, tls } = await settingsOf(bus)
  const { jwt, keys } = await functionsUser(credentials, new Date(Date.now() + MINUTE_MS))
  const authenticator = quiet(jwt, keys)
  if (tls === undefined) return { authenticator }
  const files = { caFile: tls.ca, keyFile: tls.key, certFile: tls.certificate }
  return { authenticator, tls: tlsOptions(files) }
}

/** With the name that servers of a bus have. */
export const tlsOptions = (files: TlsOptions) => ({ ...files, servername: BUS_SERVER_NAME }) as TlsOptions

/** For the functions' own adapter. */
export async function settingsOf(
  bus: Bus,
): Promise<Required<Pick<NatsSettings, 'credentials'>> & Pick<NatsSettings, 'tls'>> {
  const { credentials, tls } = bus.functions
  const parsed = NatsCredentials.parse(JSON.parse(await readFile(credentials, 'utf8')))
  return { credentials: parsed, ...(tls === undefined ? {} : { tls }) }
}

export async function keysIn(file: string): Promise<KeyPair> {
  return fromSeed(Buffer.from((await readFile(file, 'utf8')).trim()))
}

/** For the node's own adapters; what it keeps lies below the bus's directory. */
export function optionsOf(
  bus: Bus,
  store: ObjectStore,
  node: { node: string; ring: string; url: string },
): NatsOptions {
  return {
    ...node,
    ...bus.accessOf(node.node),
    store: { get: async (key, max) => (await store.get(key, max))?.bytes },
    disk: openDisk(join(bus.directory, 'state-of', node.node)),
  }
}
