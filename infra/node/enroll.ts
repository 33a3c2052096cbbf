/** Enrolment: a node gets its key, its pinned root of trust and its configuration. */
import { mkdir, readFile, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type NodeConfig, parseConfig } from '../../agent/config.ts'
import { openDisk } from '../../agent/disk.ts'
import { pinMetadata } from '../../agent/trust/kept-metadata.ts'
import { checkRoot, type RootFacts } from '../../agent/trust/pin.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { nodePermissions, type Permissions } from '../../pipelines/contract/subjects.ts'
import { ensureTlsKey, requestFor } from '../nats/certificates.ts'
import { ensureUserSeed } from '../nats/nkeys.ts'

export type EnrollOptions = {
  /** Directory of this node; configuration, root, key and state lie in it. */
  directory: string
  node: string
  ring: string
  previousRing: string | null
  store: string
  /** root.json that somebody trusts. */
  rootFile: string
  natsUrl: string | null
  /** PEM of who signs the bus's servers; with it node and bus show each other certificates. */
  natsCa?: string
  bpffs: string
  cgroup: string
  workloads: string
  services?: string
  zone?: string
  /** Who may announce what: a file that every node has. */
  members?: string
  pollMs?: number
  reportMs?: number
  /** Take another root than the pinned one: the answer to a lost threshold. */
  repin: boolean
  /** Make another key for the bus: the old one may have been copied. */
  rekey?: boolean
}

export type Enrolled = {
  config: string
  root: RootFacts
  /** What the bus must be told of this node; `request` asks for a certificate, where it has to have one. */
  nats: { nkey: string; permissions: Permissions; request: string | null } | null
}

/**
 * Run twice it changes nothing, but for `rekey`. Another root than the pinned one is refused with
 * 'metadata-untrusted' unless `repin` says so: that is where trust begins.
 */
export async function enroll(options: EnrollOptions): Promise<Enrolled> {
  const { directory, node, ring } = options
  const raw = await readFile(options.rootFile, 'utf8')
  const root = checkRoot(raw)
  const config = configOf(options)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const disk = openDisk(directory)
  await pin(directory, raw, options.repin)
  const keys = config.nats === null ? null : await makeKeys(config.nats, options)
  await disk.write('node.json', `${JSON.stringify(config, null, 2)}\n`)
  const nats = keys === null ? null : { ...keys, permissions: nodePermissions(node, ring) }
  return { config: join(directory, 'node.json'), root, nats }
}

async function makeKeys(
  { seed, tls }: NonNullable<NodeConfig['nats']>,
  { node, natsCa = '', rekey = false }: EnrollOptions,
): Promise<{ nkey: string; request: string | null }> {
  for (const file of [seed, ...(tls === null ? [] : [tls.key])]) if (rekey) await rm(file, { force: true })
  const nkey = await ensureUserSeed(seed)
  if (tls === null) return { nkey, request: null }
  await openDisk(dirname(tls.ca)).write(basename(tls.ca), await readFile(natsCa))
  await ensureTlsKey(tls.key)
  return { nkey, request: await requestFor(tls.key, node) }
}

/** Throws Failure('schema-violation') before anything is written. */
function configOf(options: EnrollOptions): NodeConfig {
  const { directory, natsUrl, natsCa } = options
  const tls =
    natsCa === undefined ? null : { ca: join(directory, 'bus-ca.pem'), key: join(directory, 'bus.key') }
  const config = {
    schema: 'heddle.node/1',
    node: options.node,
    ring: options.ring,
    previousRing: options.previousRing,
    store: options.store,
    stateDirectory: join(directory, 'state'),
    bpffs: options.bpffs,
    cgroup: options.cgroup,
    workloads: options.workloads,
    services: options.services ?? null,
    zone: options.zone ?? null,
    members: options.members ?? null,
    nats: natsUrl === null ? null : { url: natsUrl, seed: join(directory, 'node.nk'), tls },
    root: join(directory, 'root.json'),
    ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
    ...(options.reportMs === undefined ? {} : { reportMs: options.reportMs }),
  }
  return parseConfig(join(directory, 'node.json'), JSON.stringify(config, null, 2))
}

async function pin(directory: string, raw: string, repin: boolean): Promise<void> {
  const file = join(directory, 'root.json')
  const pinned = await readFile(file, 'utf8').catch(() => undefined)
  if (pinned === raw && !repin) return
  if (pinned !== undefined && pinned !== raw && !repin) {
    const { version, fingerprint } = checkRoot(pinned)
    throw new Failure('metadata-untrusted', `another root is pinned: version ${version}, ${fingerprint}`)
  }
  await openDisk(directory).write('root.json', raw)
  // What was accepted stays: an old release can't come back by way of a new root, nor an old clock.
  if (repin) await pinMetadata(openDisk(join(directory, 'state')), raw)
}
