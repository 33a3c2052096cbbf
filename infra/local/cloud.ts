/** The cloud's side of a local stack: NATS, the functions' host with store and repository. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { JWT_LIFE_MS } from '../../functions/bus/renewal.ts'
import { CommitStatus } from '../../pipelines/contract/commit-status.ts'
import { ensureOperator } from '../../functions/adapters/dev-keys.ts'
import { checkoutCode } from '../trust/checkout-code.ts'
import { custodyOfStack, initTrust } from '../trust/custody.ts'
import { makeCgroup } from './cgroup.ts'
import { RINGS, services, workloads } from './fleet.ts'
import type { Foundation } from './foundation.ts'
import { Clone } from './git.ts'
import { type HostConfig, statusDirectory } from './host-config.ts'
import type { Nats } from './nats.ts'
import type { Enrolment } from './nodes.ts'
import { type StackStore, type StoreKind, startObjectStore } from './object-store.ts'
import { openStore } from '../store/open-store.ts'
import { launch, type Running, untilReady } from './process.ts'
import { SERVICE_PORT } from './service.ts'

const FUNCTIONS = fileURLToPath(new URL('./functions-host.js', import.meta.url))
const BRANCH = 'main'
/** Who steers the rollouts of a local stack: `heddle rollout … --stack DIR` signs with this one's key. */
const OPERATOR = 'operator'
/** One refused request that nobody declared, or one node silent for so long, is enough here. */
const GATES = { minimumSamples: 0, unintended: { most: 0 }, errors: { most: 0.05 }, lostMs: 20_000 }

const operatorsOfStack = (directory: string): string => join(directory, 'operators')

export type Cloud = {
  functions: Running
  store: StackStore
  clone: Clone
  enrolment: Enrolment
  /** What people see of a commit; undefined = nothing yet. */
  statusOf(commit: string): CommitStatus | undefined
}

export async function startFunctions(
  stack: Foundation,
  nats: Nats,
  { soakMs, store: kind }: { soakMs: number; store: StoreKind },
): Promise<Cloud> {
  const dir = join(stack.dir, 'cloud')
  mkdirSync(dir)
  const store = await startObjectStore(kind, stack, dir)
  const custody = custodyOfStack(stack.dir)
  const config: HostConfig = {
    repository: { path: join(dir, 'policies.git'), name: 'local/policies', branch: BRANCH },
    github: null,
    store: store.writer,
    keys: custody.online,
    queue: join(dir, 'queue'),
    nats: { url: nats.url, ...nats.functions, jwtLifeMs: JWT_LIFE_MS },
    secretFile: join(dir, 'webhook-secret'),
    nodes: [],
    rings: RINGS.map((ring) => ({ ...ring })),
    soakMs,
    gates: { ...GATES, checks: [] },
    freezes: [],
    operators: operatorsOfStack(stack.dir),
    port: 0,
    portFile: join(dir, 'port'),
    socket: join(dir, 'functions.sock'),
    rootFile: custody.root,
    hook: { waitMs: 30_000, until: 'first-ring' },
    reconcileMs: 5_000,
  }
  await initTrust(custody, await checkoutCode())
  await ensureOperator(operatorsOfStack(stack.dir), OPERATOR)
  await nats.publish(await openStore(custody.store, { now: () => new Date() }))
  const file = join(dir, 'functions.json')
  writeFileSync(file, JSON.stringify(config, null, 2))
  const functions = launch({
    name: 'functions',
    command: [process.execPath, FUNCTIONS, '--config', file],
    cgroup: makeCgroup(join(stack.cgroup, 'cloud')),
    namespace: stack.cloud.namespace,
    log: join(stack.dir, 'log', 'functions.log'),
  })
  await untilReady(functions, () => existsSync(config.portFile), 60_000)

  const workloadsFile = join(dir, 'workloads.json')
  writeFileSync(workloadsFile, JSON.stringify({ workloads: workloads(stack.nodes, stack.client) }, null, 2))
  const servicesFile = join(dir, 'services.json')
  writeFileSync(servicesFile, JSON.stringify({ services: services(SERVICE_PORT) }, null, 2))
  const clone = new Clone(join(stack.dir, 'policies'), BRANCH)
  await clone.start(config.repository.path, stack.cloud.namespace)
  const files = { root: config.rootFile, workloads: workloadsFile, services: servicesFile }
  const enrolment = { store: store.reader, ...files, nats }
  const statusOf = (commit: string) => readStatus(join(statusDirectory(config), `${commit}.json`))
  return { functions, store, clone, enrolment, statusOf }
}

function readStatus(file: string): CommitStatus | undefined {
  return existsSync(file) ? CommitStatus.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined
}
