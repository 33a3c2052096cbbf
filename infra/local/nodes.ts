/** The nodes of a local stack: a cgroup, a bpffs, the service, then the agent and the relay. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RelayConfig } from '../../agent/relay/config.ts'
import { agentCommand } from '../node/agent-command.ts'
import { enroll } from '../node/enroll.ts'
import { makeCgroup } from './cgroup.ts'
import { CALLER_CGROUP, ringOf } from './fleet.ts'
import type { Foundation } from './foundation.ts'
import type { Nats } from './nats.ts'
import type { StackHost } from './network.ts'
import { launch, type Running } from './process.ts'
import { startService } from './service.ts'

const AGENT = fileURLToPath(new URL('../../agent/main.js', import.meta.url))
const RELAY = fileURLToPath(new URL('../../agent/relay/main.js', import.meta.url))
const RELAY_CONFIG = 'relay.json'

/** Milliseconds between two reports: in a demo nobody waits for a gate. */
const REPORT_MS = 250

export type LocalNode = {
  name: string
  ring: string
  host: StackHost
  dir: string
  bpffs: string
  /** What `heddle node` and `heddle audit` read as well. */
  config: string
  /** The agent's journal. */
  log: string
  /** Processes of Heddle itself stay out of the cgroup whose sockets are managed. */
  workloadCgroup: string
  /** Below it: who is in there calls services as a workload of its own. */
  callerCgroup: string
  systemCgroup: string
  service: Running
}

/** What the cloud's side must have made before a node can be enrolled. */
export type Enrolment = {
  store: string
  root: string
  workloads: string
  services: string
  nats: Pick<Nats, 'url' | 'accessOf'>
}

export async function startNode(stack: Foundation, name: string, host: StackHost): Promise<LocalNode> {
  const dir = join(stack.dir, 'nodes', name)
  mkdirSync(dir, { recursive: true })
  const workloadCgroup = makeCgroup(join(stack.cgroup, name, 'workload'))
  const callerCgroup = makeCgroup(join(workloadCgroup, CALLER_CGROUP))
  const systemCgroup = makeCgroup(join(stack.cgroup, name, 'system'))
  const bpffs = stack.mountBpffs(name)
  const service = await startService(join(dir, 'service'), name, host, workloadCgroup)
  const config = join(dir, 'node.json')
  const log = join(stack.dir, 'log', `agent-${name}.log`)
  return {
    name,
    ring: ringOf(name).ring,
    host,
    dir,
    bpffs,
    config,
    log,
    workloadCgroup,
    callerCgroup,
    systemCgroup,
    service,
  }
}

/** Enrol the node as `heddle node enroll` does, under the keys that the bus already knows. */
export async function enrol(node: LocalNode, enrolment: Enrolment, pollMs: number): Promise<void> {
  const { seed, tls } = enrolment.nats.accessOf(node.name)
  copyFileSync(seed, join(node.dir, 'node.nk'))
  if (tls !== null) copyFileSync(tls.key, join(node.dir, 'bus.key'))
  await enroll({
    directory: node.dir,
    node: node.name,
    ...ringOf(node.name),
    store: enrolment.store,
    rootFile: enrolment.root,
    natsUrl: enrolment.nats.url,
    ...(tls === null ? {} : { natsCa: tls.ca }),
    bpffs: node.bpffs,
    cgroup: node.workloadCgroup,
    workloads: enrolment.workloads,
    services: enrolment.services,
    pollMs,
    reportMs: REPORT_MS,
    repin: false,
  })
  const relay: RelayConfig = RelayConfig.parse({
    schema: 'heddle.relay/1',
    node: node.name,
    bpffs: node.bpffs,
    cgroup: node.workloadCgroup,
    workloads: enrolment.workloads,
    stats: join(node.dir, 'relay.sock'),
    journal: join(node.dir, 'relay.jsonl'),
  })
  writeFileSync(join(node.dir, RELAY_CONFIG), JSON.stringify(relay, null, 2))
}

export function startAgent(node: LocalNode): Running {
  return launch({
    name: `agent of ${node.name}`,
    command: agentCommand({ runtime: process.execPath, agent: AGENT, config: node.config }),
    cgroup: node.systemCgroup,
    namespace: node.host.namespace,
    log: node.log,
  })
}

export function startRelay(node: LocalNode): Running {
  return launch({
    name: `relay of ${node.name}`,
    command: [process.execPath, RELAY, '--config', join(node.dir, RELAY_CONFIG)],
    cgroup: node.systemCgroup,
    namespace: node.host.namespace,
    log: join(node.dir, 'relay.log'),
  })
}
