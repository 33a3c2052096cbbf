/**
 * The whole pipe on this machine: NATS, functions, store, a repository of
 * policies, five nodes in three rings, and a client that never pauses.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeCgroup } from './cgroup.ts'
import type { ClientConfig, Lane, LaneStats } from './client-contract.ts'
import { askClient } from './client-remote.ts'
import { type Cloud, startFunctions } from './cloud.ts'
import { TENANTS, TENANTS_FILE } from './demo-policies.ts'
import { NODE_NAMES } from './fleet.ts'
import { type Foundation, layFoundation } from './foundation.ts'
import { startNats } from './nats.ts'
import { within } from './observe.ts'
import type { StoreKind } from './object-store.ts'
import { enrol, type LocalNode, startAgent, startNode, startRelay } from './nodes.ts'
import { launch, type Running, untilReady } from './process.ts'
import { SERVICE_PORT } from './service.ts'

const CLIENT = fileURLToPath(new URL('./client.js', import.meta.url))

export type Stack = {
  dir: string
  clientNamespace: string
  cloud: Cloud
  nodes: LocalNode[]
  agents: ReadonlyMap<string, Running>
  relays: ReadonlyMap<string, Running>
  client: { stats(): Promise<LaneStats[]>; stop(): Promise<LaneStats[]> }
  /** Processes that ended although nobody asked them to, with their last words. */
  ended(): string[]
  down(): Promise<void>
}

export type StackOptions = {
  dir: string
  /** Milliseconds that every ring must hold a release before the next one gets it. */
  soakMs: number
  /** Milliseconds between two looks of a node without a hint. */
  pollMs?: number
  /** Clients that never pause; without them the machine is quiet. */
  load?: boolean
  /** Servers of the bus; one without it. */
  natsServers?: number
  /** Where objects are: a directory; or a bucket of a real S3 server. */
  store?: StoreKind
  say: (text: string) => void
}

/** How soon a node looks by itself in the demo: hints make it faster, this makes it sure. */
const DEMO_POLL_MS = 1_000
const STORE_WORDS: Record<StoreKind, string> = {
  files: 'an object store',
  s3: "a bucket of Ceph's radosgw",
}
const BASELINE_DEADLINE_MS = 60_000

/** Brings everything up, or takes down what it began and throws. Needs root. */
export async function up(options: StackOptions): Promise<Stack> {
  const { say } = options
  const foundation = await layFoundation(options.dir, NODE_NAMES.length)
  try {
    say(`namespaces, cgroups and a wire: ${foundation.cloud.namespace} and ${NODE_NAMES.length + 1} hosts`)
    return await build(foundation, options)
  } catch (error) {
    await foundation.down()
    throw error
  }
}

async function build(foundation: Foundation, options: StackOptions): Promise<Stack> {
  const { soakMs, pollMs = DEMO_POLL_MS, load = true, natsServers = 1, store = 'files', say } = options
  const nats = await startNats(foundation, natsServers)
  say(`nats-server, a JWT and a certificate for everybody, at ${nats.url}`)
  const [cloud, nodes] = await Promise.all([
    startFunctions(foundation, nats, { soakMs, store }),
    Promise.all(foundation.nodes.map((host, index) => startNode(foundation, NODE_NAMES[index] ?? '', host))),
  ])
  say(`functions in one process, ${STORE_WORDS[store]}, a bare git repository with its hook`)
  const processes = [
    ...nats.processes,
    ...cloud.store.processes,
    cloud.functions,
    ...nodes.map((node) => node.service),
  ]
  const agents = new Map<string, Running>()
  const relays = new Map<string, Running>()
  for (const node of nodes) {
    await enrol(node, cloud.enrolment, pollMs)
    agents.set(node.name, startAgent(node))
    relays.set(node.name, startRelay(node))
  }
  processes.push(...agents.values(), ...relays.values())
  await Promise.all(nodes.map((node) => agentIsReady(node, agents.get(node.name) as Running)))
  say(
    `${nodes.length} nodes: nginx, agent and relay each; rings ${nodes.map((node) => `${node.ring}:${node.name}`).join(' ')}`,
  )
  await pushBaseline(cloud, say)
  const client = await startClient(foundation, load ? nodes.flatMap(lanesOf) : [])
  say(
    `clients: ${client.lanes.reduce((sum, lane) => sum + lane.connections, 0)} keep-alive connections, a request in flight on each`,
  )
  return {
    dir: foundation.dir,
    clientNamespace: foundation.client.namespace,
    cloud,
    nodes,
    agents,
    relays,
    client: { stats: () => askClient(client.socket, 'stats'), stop: () => askClient(client.socket, 'stop') },
    ended: () => processes.flatMap((each) => endOf(each)),
    down: foundation.down,
  }
}

/**
 * The first release attaches the programs and selects nobody. Connections that
 * are older than the attach can't be judged, so clients come after it.
 */
async function pushBaseline(cloud: Cloud, say: (text: string) => void): Promise<void> {
  const { commit } = await cloud.clone.push(
    { [TENANTS_FILE]: TENANTS },
    'Say who may speak for which namespace',
  )
  const done = await within(BASELINE_DEADLINE_MS, () => cloud.statusOf(commit)?.stage === 'done' || undefined)
  const status = cloud.statusOf(commit)
  if (done === undefined) throw new Error(`the first release did not get through: ${status?.description}`)
  say('the first release selects nobody: programs are attached in every kernel')
}

function endOf(running: Running): string[] {
  const end = running.ended()
  return end === undefined ? [] : [`${running.name} ended (${end}):\n${running.lastLines(5)}`]
}

async function agentIsReady(node: LocalNode, agent: Running): Promise<void> {
  await untilReady(agent, () => /: ready$/m.test(agent.lastLines(50)), 30_000)
  if (!existsSync(node.log)) throw new Error(`${node.name} keeps no journal`)
}

/** For every node: reads over IPv4 and IPv6 and uploads that stay allowed, and one thing that will not be. */
function lanesOf(node: LocalNode): Lane[] {
  const to = { node: node.name, port: SERVICE_PORT }
  const four = { ...to, address: node.host.address4 }
  const six = { ...to, address: node.host.address6 }
  const get = { method: 'GET', bodyBytes: 0 }
  return [
    { ...four, ...get, name: 'read-4', connections: 2, path: '/public/items?page=1' },
    { ...six, ...get, name: 'read-6', connections: 1, path: '/public/items/42' },
    { ...four, name: 'upload', connections: 1, method: 'POST', path: '/public/upload', bodyBytes: 8192 },
    { ...four, ...get, name: 'orders', connections: 1, path: '/public/orders/7' },
    { ...four, ...get, name: 'private', connections: 1, path: '/private/salaries' },
  ]
}

async function startClient(foundation: Foundation, lanes: Lane[]) {
  const socket = join(foundation.dir, 'client.sock')
  const config: ClientConfig = { socket, lanes }
  const file = join(foundation.dir, 'client.json')
  writeFileSync(file, JSON.stringify(config))
  const running = launch({
    name: 'client',
    command: ['nice', '-n', '19', process.execPath, CLIENT, file],
    cgroup: makeCgroup(join(foundation.cgroup, 'client')),
    namespace: foundation.client.namespace,
    log: join(foundation.dir, 'log', 'client.log'),
  })
  await untilReady(running, () => existsSync(socket))
  return { socket, lanes }
}
