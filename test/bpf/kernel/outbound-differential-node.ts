/** The node of the differential test: the real programs, a real relay, servers that record, clients by identity. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { assign, rowsFor } from '../../../agent/identities.ts'
import { routeContentFor } from '../../../agent/route-choices.ts'
import { ClientReason, Limit } from '../../../bpf/abi/heddle.gen.ts'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import { serviceKey } from '../../../pipelines/services/model.ts'
import { compileSet, dispatcherElf } from './artifacts.ts'
import { holdClient } from './held-client.ts'
import { KernelFixture } from './kernel-fixture.ts'
import type { Job, Result } from './outbound-differential-client.ts'
import type { Rules } from './outbound-differential-prediction.ts'
import { CALLERS, type Caller, SERVERS, SERVICES, WORKLOADS } from './outbound-differential-world.ts'

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const RELAY = script('../../../agent/relay/main.js')
/** Milliseconds; see outbound-fixture.ts. */
const PATIENCE = 30_000
const SLOTS = Limit.SLOTS
const NOTHING: Rules = { set: { policies: [], routes: [] }, unknown: [] }

export type Recorded = { id: string; server: string; bytes: string }
type Process = { child: ChildProcess; hear: (result: Result) => void }

const { identities, addresses } = assign({ identities: [], published: [] }, WORKLOADS)

function identityOf({ workload }: Caller): number {
  const labels = JSON.stringify([workload?.namespace, workload?.labels])
  return identities.find((each) => JSON.stringify([each.namespace, each.labels]) === labels)?.number ?? 0
}

export class DifferentialNode {
  readonly recorded = new Map<string, Recorded[]>()
  private readonly node: KernelFixture
  private readonly children: ChildProcess[] = []
  private readonly clients = new Map<Caller, Process>()
  private readonly held = new Set<number>()
  private generation = 0

  private constructor(node: KernelFixture) {
    this.node = node
  }

  static async create(): Promise<DifferentialNode> {
    const made = new DifferentialNode(await KernelFixture.create(await dispatcherElf()))
    try {
      await made.node.kernel.setAddresses(addresses)
      await made.describe(await made.startServers())
      await made.stage(NOTHING).then((flip) => flip())
      await made.startRelay()
      for (const caller of CALLERS) await made.startClient(caller)
      return made
    } catch (error) {
      await made.close()
      throw error
    }
  }

  /** Throws Failure('limit-exceeded' | 'unsupported-feature'). Returns what makes it the active generation. */
  async stage({ set, unknown }: Rules): Promise<() => Promise<void>> {
    const { elf, blocks, services, routes } = await compileSet(set)
    const generation = ++this.generation
    const slot = generation % SLOTS
    const known = SERVICES.map(({ service }, number) => [service, number] as const)
    const numbers = new Map(
      known.filter(([{ name }]) => !unknown.includes(name)).map(([service, n]) => [serviceKey(service), n]),
    )
    await this.node.stage(slot, elf, rowsFor(blocks, identities))
    await this.node.kernel.setRoutes(slot, routeContentFor({ services, routes }, { numbers, identities }))
    return async () => void (await this.node.kernel.flip(slot, generation))
  }

  /** Many at once, each on its own connection. */
  run(caller: Caller, jobs: readonly Job[]): Promise<Result[]> {
    const process = this.clients.get(caller) as Process
    const results: Result[] = []
    return new Promise((resolve) => {
      if (jobs.length === 0) resolve([])
      process.hear = (result) => {
        if (results.push(result) === jobs.length) resolve(results)
      }
      for (const job of jobs) process.child.stdin?.write(`${JSON.stringify(job)}\n`)
    })
  }

  /**
   * Opens the connections of jobs that are the relay's alone from their first byte: marked as those are that
   * once pipelined, they are never taken back.
   */
  async openHeld(caller: Caller, jobs: readonly Job[]): Promise<void> {
    const fresh = jobs.filter(({ id }) => !this.held.has(id))
    const opening = fresh.map((job): Job => ({ ...job, requests: [], pipelined: false, end: 'nobody' }))
    for (const { id, port } of await this.run(caller, opening)) {
      this.held.add(id)
      holdClient(this.node, port)
    }
  }

  /** How requests went so far, by the kernel's own count. */
  ways(): Record<string, number> {
    return this.node.withMap('client_counters', (map) => {
      const names = Object.entries(ClientReason).filter(([name]) => name !== 'CLIENT_REASONS')
      return Object.fromEntries(
        names.map(([name, reason]) => {
          const value = map.lookup(u32(reason), 8 * 256) ?? Buffer.alloc(0)
          let sum = 0
          for (let at = 0; at < value.length; at += 8) sum += Number(value.readBigUInt64LE(at))
          return [name, sum]
        }),
      )
    })
  }

  async until(holds: () => boolean, what: string): Promise<void> {
    const end = Date.now() + PATIENCE
    while (!holds()) {
      if (Date.now() > end) throw new Error(`still not: ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async close(): Promise<void> {
    for (const child of this.children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
    await this.node.close()
  }

  private async startServers(): Promise<number[]> {
    const named = SERVERS.map(({ name, addresses: [host] }) => [name, host])
    const child = this.node.spawnManaged(process.execPath, [
      script('./outbound-differential-server.js'),
      JSON.stringify(named),
    ])
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    const [first] = (await once(lines, 'line')) as [string]
    lines.on('line', (line) => {
      const said = JSON.parse(line) as Recorded
      this.recorded.set(said.id, [...(this.recorded.get(said.id) ?? []), said])
    })
    return (JSON.parse(first) as { ports: number[] }).ports
  }

  private async describe(ports: number[]): Promise<void> {
    const { outbound } = this.node.kernel
    for (const [
      i,
      {
        addresses: [address = ''],
      },
    ] of SERVERS.entries()) {
      const endpoint = { address, port: ports[i] ?? 0, local: true, weight: 1 }
      await outbound.write({ map: 'endpoints', number: i + 1, endpoint })
    }
    let first = 0
    for (const [number, { servers, at, service }] of SERVICES.entries()) {
      const endpoints = servers.map((name) => 1 + SERVERS.findIndex((server) => server.name === name))
      const count = endpoints.length
      if (count > 0) await outbound.write({ map: 'members', first, endpoints })
      await outbound.write({ map: 'services', number, state: { first, count, local: count, zone: count } })
      first += count
      if (at !== undefined)
        await outbound.write({ map: 'service_addresses', address: at, port: service.port, service: number })
    }
  }

  private async startRelay(): Promise<void> {
    const { bpffs, cgroup, directory } = this.node
    const file = (name: string) => join(directory, name)
    writeFileSync(file('workloads.json'), JSON.stringify({ workloads: WORKLOADS }))
    const own = { bpffs, cgroup, workloads: file('workloads.json'), stats: file('relay.sock'), journal: null }
    writeFileSync(
      file('relay.json'),
      JSON.stringify({ schema: 'heddle.relay/1', node: 'n1', sweepMs: 100, ...own }),
    )
    const child = spawn(process.execPath, [RELAY, '--config', file('relay.json')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.children.push(child)
    await once(child.stdout as NodeJS.ReadableStream, 'data')
    await this.until(
      () => this.node.withMap('outbound_port', (map) => map.lookup(u32(0), 4)?.readUInt32LE() !== 0),
      'relay',
    )
  }

  private async startClient(caller: Caller): Promise<void> {
    const cgroup = join(this.node.cgroup, caller.name)
    mkdirSync(cgroup)
    const id = statSync(cgroup, { bigint: true }).ino
    this.cgroups.push({ id, identity: identityOf(caller) })
    await this.node.kernel.outbound.setCgroups(this.cgroups)
    const enter = `echo $$ > ${cgroup}/cgroup.procs; exec "$0" "$@"`
    const child = spawn('sh', ['-c', enter, process.execPath, script('./outbound-differential-client.js')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.children.push(child)
    const made: Process = { child, hear: () => {} }
    this.clients.set(caller, made)
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    await once(lines, 'line')
    lines.on('line', (line) => made.hear(JSON.parse(line) as Result))
  }

  private readonly cgroups: { id: bigint; identity: number }[] = []
}
