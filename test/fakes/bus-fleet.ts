/**
 * A whole fleet whose bus is real: the functions with their own adapter, and agents with theirs, on kernels in
 * memory; a store, a forge and a queue in memory between them.
 */
import { systemTimer } from '../../agent/adapters/system-timer.ts'
import { join } from 'node:path'
import { natsBus as nodeBus } from '../../agent/adapters/nats-bus.ts'
import { silentRegistry } from '../../agent/adapters/silent-registry.ts'
import { openDisk } from '../../agent/disk.ts'
import type { Node } from '../../agent/node.ts'
import { recoverState } from '../../agent/recover.ts'
import { runNode, type Running } from '../../agent/run.ts'
import { nothingRests } from '../../agent/service-runs.ts'
import { digestsOf } from '../../agent/trust/code.ts'
import { natsBus } from '../../functions/adapters/nats-bus.ts'
import { nodePolicyReader } from '../../functions/adapters/node-policy-reader.ts'
import { composeFunctions, type Functions } from '../../functions/compose.ts'
import type { Bus, Compiler } from '../../functions/ports.ts'
import { encode, sha256Hex } from '../../functions/trust/metadata.ts'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { canonicalJson } from '../../pipelines/contract/canonical-json.ts'
import type { DeliveryEvent } from '../../pipelines/contract/events.ts'
import { codeTarget, DISPATCHER_TARGET } from '../../pipelines/contract/object-keys.ts'
import type { Report } from '../../pipelines/contract/release.ts'
import { type Ring, RolloutPlan } from '../../pipelines/rollout/plan.ts'
import type { BusCluster } from './bus-cluster.ts'
import { optionsOf, settingsOf } from './bus-member.ts'
import { initRepository, logTarget } from './init-repository.ts'
import { memoryKeys, systemClock } from './keys.ts'
import { memoryForge, memoryStatuses } from './memory-forge.ts'
import { type MemoryKernel, memoryKernel } from './memory-kernel.ts'
import { memoryStore } from './memory-store.ts'
import { TcpProxy } from './tcp-proxy.ts'
import { tablesOf, testElf } from './test-elf.ts'

export const FLEET: Ring[] = [
  { name: 'ring-0', nodes: ['node-0'] },
  { name: 'ring-1', nodes: ['node-1', 'node-2'] },
]
/** As members of a bus. */
export const MEMBERS = FLEET.flatMap(({ name: ring, nodes }) => nodes.map((name) => ({ name, ring })))
const SOAK_MS = 50
/** Milliseconds until an event that failed comes again. */
const AGAIN_MS = 50
const CODE = 'program text'
const VARIANT = 'small'

const elfOf = (set: unknown) => testElf(CODE, sha256Hex(encode(JSON.stringify(set))).slice(0, 32))

const compiler: Compiler = {
  async compile(set) {
    const elf = elfOf(set)
    return {
      abi: 1,
      kernel: { minimum: '6.1', arch: 'bpfel', hooks: [] },
      code: { variant: VARIANT, digest: digestsOf(elf).code },
      tables: { digest: tablesOf(elf) as Digest, words: 4 },
      blocks: [],
      services: [],
      routes: [],
      elf,
    }
  },
}
const code = [
  { path: codeTarget(VARIANT), bytes: encode({ variant: VARIANT, digest: digestsOf(elfOf({})).code }) },
  { path: DISPATCHER_TARGET, bytes: testElf('dispatcher', '') },
]

export type FleetOptions = {
  /** Whole, and not stopped with the fleet. */
  cluster: BusCluster
  /** What nodes keep, one fleet's. */
  directory: string
  /** Milliseconds between two looks of a node that nobody hints, and between two reports of what it counts. */
  pollMs: number
  /** Servers of a node: all, without it. */
  serversOf?: (node: string) => string[]
  /** Servers of the functions. */
  functionsAt?: string[]
}

export class BusFleet {
  readonly cluster: BusCluster
  readonly kernels = new Map<string, MemoryKernel>()
  /** What arrived, in the order in which it did. */
  readonly heard: Report[] = []
  readonly #options: FleetOptions
  readonly #store = memoryStore()
  readonly #forge = memoryForge()
  readonly #statuses = memoryStatuses()
  readonly #agents: Running[] = []
  /** What the functions go through to each server: it tells where they are. */
  readonly #doors = new Map<string, TcpProxy>()
  #work: Promise<unknown> = Promise.resolve()
  #functions: Functions | undefined
  #bus: Bus | undefined
  #tip: string | undefined
  #stopped = false
  /** Called as soon as a node has swapped, before it can say so. */
  swapped: (node: string) => void = () => {}

  private constructor(options: FleetOptions) {
    this.cluster = options.cluster
    this.#options = options
  }

  static async start(options: FleetOptions): Promise<BusFleet> {
    const fleet = new BusFleet(options)
    try {
      await fleet.#begin()
      return fleet
    } catch (error) {
      await fleet.stop()
      throw error
    }
  }

  async #begin(): Promise<void> {
    const keys = memoryKeys()
    const trustedRoot = await initRepository(this.#store, keys, [...code, logTarget(keys)], systemClock)
    await this.cluster.bus.publish(this.#store)
    await this.cluster.whole(this.#store, 'node-0')
    for (const [name, url] of this.cluster.urls)
      this.#doors.set(name, await TcpProxy.open(Number(url.slice(url.lastIndexOf(':') + 1))))
    const doors = this.#options.functionsAt ?? this.cluster.names
    const url = doors.map((name) => `nats://127.0.0.1:${this.#doors.get(name)?.port}`).join(',')
    this.#bus = natsBus({ url, ...(await settingsOf(this.cluster.bus)), log: () => {} })
    this.#functions = composeFunctions({
      store: this.#store,
      forge: this.#forge,
      statuses: this.#statuses,
      queue: { send: async (event, delayMs = 0) => void setTimeout(() => this.#deliver(event), delayMs) },
      bus: this.#bus,
      reader: nodePolicyReader(),
      compiler,
      clock: systemClock,
      keys,
      trustedRoot,
      plan: RolloutPlan.parse({ rings: FLEET, soakMs: SOAK_MS }),
      operators: [],
      repository: 'acme/policies',
      branch: 'main',
      secrets: ['secret'],
      builderId: 'test',
      log: () => {},
    })
    this.#bus.onReport((report) => {
      this.heard.push(report)
      this.#deliver({ stage: 'rollout', cause: { kind: 'report', report } })
    })
    const pinnedRoot = Buffer.from(trustedRoot).toString()
    for (const [index, { name: ring, nodes }] of FLEET.entries())
      for (const node of nodes)
        await this.#startNode(node, { ring, previousRing: FLEET[index - 1]?.name ?? null, pinnedRoot })
  }

  /** The server that the functions are connected to. */
  get carrier(): string {
    const [name] = [...this.#doors].find(([, door]) => door.busy) ?? []
    if (name === undefined) throw new Error('the functions are nowhere')
    return name
  }

  async #startNode(name: string, its: Pick<Node, 'ring' | 'previousRing' | 'pinnedRoot'>): Promise<void> {
    const disk = openDisk(join(this.#options.directory, name))
    const kernel = memoryKernel({
      after: (call) => {
        if (call.startsWith('flip')) this.swapped(name)
      },
    })
    this.kernels.set(name, kernel)
    const url = this.cluster.url(this.#options.serversOf?.(name))
    const options = { ...optionsOf(this.cluster.bus, this.#store, { node: name, ring: its.ring, url }), disk }
    const node: Node = {
      name,
      ...its,
      store: options.store,
      kernel,
      zone: null,
      workloads: { list: async () => [], watch: () => () => {} },
      services: { list: async () => [], watch: () => () => {} },
      bus: nodeBus(options, () => {}),
      disk,
      ...(await recoverState(disk, its)),
      clock: { now: () => Date.now(), elapsed: () => performance.now() },
      published: null,
      routed: null,
      resting: nothingRests(),
      registry: silentRegistry,
      attempt: null,
      metered: null,
      reported: null,
      said: null,
      log: () => {},
    }
    const { pollMs } = this.#options
    this.#agents.push(await runNode(node, systemTimer, { intervalMs: pollMs, jitter: 0.2, beatMs: pollMs }))
  }

  /** One event after another; what fails comes again. */
  #deliver(event: DeliveryEvent): void {
    this.#work = this.#work.then(async () => {
      if (this.#stopped || this.#functions === undefined) return
      const record = { messageId: 'message', body: canonicalJson(event) }
      const { batchItemFailures } = await this.#functions.stages[event.stage]({ Records: [record] } as never)
      if (batchItemFailures.length > 0) setTimeout(() => this.#deliver(event), AGAIN_MS).unref()
    })
  }

  /** A push of another policy. Returns the commit. */
  push(name: string): string {
    const policy = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name, namespace: 'shop' },
      spec: { endpointSelector: { matchLabels: { app: name } }, ingress: [{}] },
    }
    const commit = this.#forge.commit({ [`policies/${name}.yaml`]: JSON.stringify(policy) }, this.#tip)
    this.#tip = commit
    this.#forge.push(commit)
    this.#deliver({ stage: 'validate', commit })
    return commit
  }

  /** The stage that a commit has come to; 'done' = every node has said that it enforces it. */
  stageOf(commit: string): string | undefined {
    return this.#statuses.posted.get(commit)?.stage
  }

  /** What the node's kernel runs. */
  generationOf(node: string): number {
    return this.kernels.get(node)?.content.active?.generation ?? 0
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const agent of this.#agents) await agent.stop()
    await this.#work
    await this.#bus?.close()
    for (const door of this.#doors.values()) await door.close()
  }
}
