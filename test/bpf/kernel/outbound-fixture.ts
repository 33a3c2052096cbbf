/**
 * One node with services: two servers and clients in its cgroup, the real programs, a real relay.
 * Service `shop/front` (10.96.0.1:80) sends /a… to `shop/a` and /b… to `shop/b`, both on this node.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import { assign, rowsFor } from '../../../agent/identities.ts'
import type { RouteContent } from '../../../agent/ports.ts'
import { routeContentFor } from '../../../agent/route-choices.ts'
import { askRelay } from '../../../agent/relay/stats.ts'
import { ClientReason } from '../../../bpf/abi/heddle.gen.ts'
import type { ServiceBreaker } from '../../../pipelines/policy/breaker.ts'
import type { Policy, Workload } from '../../../pipelines/policy/model.ts'
import type { Route } from '../../../pipelines/policy/route.ts'
import { compileSet, dispatcherElf } from './artifacts.ts'
import { KernelFixture } from './kernel-fixture.ts'
import { Connection, type Said } from './outbound-connection.ts'

const RELAY = fileURLToPath(new URL('../../../agent/relay/main.js', import.meta.url))
const SERVER = fileURLToPath(new URL('./outbound-server.js', import.meta.url))
const CLIENT = fileURLToPath(new URL('./outbound-client.js', import.meta.url))
export const FRONT = { host: '10.96.0.1', port: 80 } as const
/** Has no endpoint. */
export const EMPTY = { host: '10.96.0.9', port: 80 } as const
/** Live numbers of the services. */
const NUMBERS = { front: 1, a: 2, b: 3, empty: 4 } as const
/** Milliseconds; a machine under load is slow, a hang is for ever. */
const PATIENCE = 15_000

export const CALLER: Workload = {
  name: 'caller',
  namespace: 'shop',
  labels: { app: 'caller' },
  addresses: ['127.0.0.1'],
  mode: 'kernel',
}
const source = { file: 'outbound.yaml', line: 1, column: 1 }
const to = (name: string) => ({
  service: { namespace: 'shop', name, port: 80 },
  weight: 1,
  filters: [],
})
/** To `shop/NAME`, which asks for nothing more. */
export const rule = (prefix: string, name: string): Route['rules'][number] => ({
  source,
  matches: [{ source, path: { kind: 'prefix', value: prefix }, headers: [], query: [] }],
  filters: [],
  backends: [to(name)],
  requestTimeout: 0,
  backendTimeout: 0,
})

export const FRONT_ROUTE: Route = {
  name: 'front',
  namespace: 'shop',
  source,
  created: '',
  service: { namespace: 'shop', name: 'front', port: 80 },
  clients: null,
  rules: [rule('/a', 'a'), rule('/b', 'b'), rule('/empty', 'empty')],
}

export class OutboundFixture {
  readonly node: KernelFixture
  /** Live numbers of services, which routes name; a test may add its own. */
  readonly numbers = new Map<string, number>(
    Object.entries(NUMBERS).map(([name, number]) => [`shop/${name}:80`, number]),
  )
  /** What the active generation's routes are here. */
  routed: { slot: number; content: RouteContent } | undefined
  private readonly mode: Workload['mode']
  private readonly config: string
  private readonly socket: string
  private relay: ChildProcess | undefined
  private client: ChildProcess | undefined
  private readonly connections = new Map<number, Connection>()
  /** Last targets of connections that servers have seen closed. */
  readonly closed: string[] = []

  private constructor(node: KernelFixture, mode: Workload['mode']) {
    this.node = node
    this.mode = mode
    this.config = join(node.directory, 'relay.json')
    this.socket = join(node.directory, 'relay.sock')
  }

  static async create(
    policies: Policy[] = [],
    routes: Route[] = [FRONT_ROUTE],
    breakers: ServiceBreaker[] = [],
    mode: Workload['mode'] = 'kernel',
  ): Promise<OutboundFixture> {
    const fixture = new OutboundFixture(await KernelFixture.create(await dispatcherElf()), mode)
    try {
      await fixture.enforce(1, policies, routes, breakers)
      await fixture.describeServices()
      await fixture.startRelay()
      await fixture.startClient()
      return fixture
    } catch (error) {
      await fixture.close()
      throw error
    }
  }

  /** Another generation becomes active. */
  async enforce(
    generation: number,
    policies: Policy[],
    routes: Route[] = [FRONT_ROUTE],
    breakers: ServiceBreaker[] = [],
  ): Promise<void> {
    const { elf, blocks, ...artifact } = await compileSet({ policies, routes, breakers })
    const { identities, addresses } = assign({ identities: [], published: [] }, [CALLER])
    const slot = generation % 8
    await this.node.stage(slot, elf, rowsFor(blocks, identities))
    const content = routeContentFor(artifact, { numbers: this.numbers, identities })
    await this.node.kernel.setRoutes(slot, content)
    this.routed = { slot, content }
    await this.node.kernel.setAddresses(addresses)
    const [identity] = identities
    const id = statSync(this.node.cgroup, { bigint: true }).ino
    await this.node.kernel.outbound.setCgroups([{ id, identity: identity?.number ?? 0 }])
    await this.node.kernel.flip(slot, generation)
  }

  /** `listener`: a listening socket that outlives it. */
  async startRelay(listener?: number): Promise<void> {
    const { bpffs, cgroup, directory } = this.node
    const workloads = join(directory, 'workloads.json')
    writeFileSync(workloads, JSON.stringify({ workloads: [{ ...CALLER, mode: this.mode }] }))
    const own = { bpffs, cgroup, workloads, stats: this.socket, journal: null }
    writeFileSync(
      this.config,
      JSON.stringify({ schema: 'heddle.relay/1', node: 'n1', sweepMs: 100, stopMs: 3_000, ...own }),
    )
    this.relay = spawn(process.execPath, [RELAY, '--config', this.config], {
      stdio: ['ignore', 'pipe', 'inherit', ...(listener === undefined ? [] : [listener])],
      env: { ...process.env, ...(listener === undefined ? {} : { LISTEN_FDS: '1' }) },
    })
    await once(this.relay.stdout as NodeJS.ReadableStream, 'data')
    await this.until(async () => ((await this.stats()).outbound as unknown) !== null)
  }

  /** It accepts nobody any more; its connections stay, and the kernel goes on with them. */
  freezeRelay(): void {
    this.relay?.kill('SIGSTOP')
  }

  thawRelay(): void {
    this.relay?.kill('SIGCONT')
  }

  async stopRelay(signal: NodeJS.Signals): Promise<void> {
    const { relay } = this
    this.relay = undefined
    if (!relay) return
    const gone = once(relay, 'exit')
    relay.kill(signal)
    await gone
  }

  async stats(): Promise<Record<string, Record<string, unknown> | null>> {
    return (await askRelay(this.socket)) as Record<string, Record<string, unknown> | null>
  }

  /** How requests went so far, by the kernel's own count. */
  ways(): Record<keyof typeof ClientReason, number> {
    return this.node.withMap('client_counters', (map) => {
      const cpus = 256
      const count = (reason: number) => {
        const value = map.lookup(u32(reason), 8 * cpus) ?? Buffer.alloc(8)
        let sum = 0
        for (let at = 0; at < value.length; at += 8) sum += Number(value.readBigUInt64LE(at))
        return sum
      }
      const names = Object.entries(ClientReason).filter(([name]) => name !== 'CLIENT_REASONS')
      return Object.fromEntries(names.map(([name, reason]) => [name, count(reason)]))
    }) as Record<keyof typeof ClientReason, number>
  }

  async open({ host, port }: { host: string; port: number } = FRONT): Promise<Connection> {
    const id = this.connections.size + 1
    const connection = new Connection((op, more = {}) =>
      this.client?.stdin?.write(`${JSON.stringify({ op, id, ...more })}\n`),
    )
    this.connections.set(id, connection)
    connection.command('open', { host, port })
    await connection.until(() => connection.peer !== undefined || connection.failure !== undefined)
    return connection
  }

  /** A connection whose requests the kernel takes: there is an upstream for it to both servers. */
  openWarm(): Promise<Connection> {
    return this.openWarmTo('/a/plain', '/b/plain')
  }

  /** The same to what these paths lead to. */
  async openWarmTo(...paths: string[]): Promise<Connection> {
    const connection = await this.open()
    for (const path of paths) {
      await this.until(async () => {
        const before = this.ways().KERNEL_ROUTED
        await connection.get(path)
        return this.ways().KERNEL_ROUTED > before
      })
    }
    connection.forget()
    return connection
  }

  async until(holds: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + PATIENCE
    while (!(await holds())) {
      assert.ok(Date.now() < end, `still not: ${holds}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async close(): Promise<void> {
    this.client?.kill('SIGKILL')
    await this.stopRelay('SIGKILL')
    await this.node.close()
  }

  private async describeServices(): Promise<void> {
    const { outbound } = this.node.kernel
    const servers = [await this.startServer('a'), await this.startServer('b')]
    for (const [number, port] of servers.entries()) {
      const endpoint = { address: '127.0.0.1', port, local: true, weight: 1 }
      await outbound.write({ map: 'endpoints', number: number + 1, endpoint })
    }
    await outbound.write({ map: 'members', first: 0, endpoints: [1, 2] })
    const state = (first: number, count: number) => ({ first, count, local: count, zone: count })
    await outbound.write({ map: 'services', number: NUMBERS.front, state: state(0, 1) })
    await outbound.write({ map: 'services', number: NUMBERS.a, state: state(0, 1) })
    await outbound.write({ map: 'services', number: NUMBERS.b, state: state(1, 1) })
    await outbound.write({ map: 'services', number: NUMBERS.empty, state: state(0, 0) })
    const address = (host: string, service: number) =>
      outbound.write({ map: 'service_addresses', address: host, port: 80, service })
    await address(FRONT.host, NUMBERS.front)
    await address(EMPTY.host, NUMBERS.empty)
  }

  /** The port of a server, in the managed cgroup or outside. */
  async startServer(name: string, elsewhere = false): Promise<number> {
    const child = elsewhere
      ? this.node.spawnElsewhere(process.execPath, [SERVER, name])
      : this.node.spawnManaged(process.execPath, [SERVER, name])
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    lines.on('line', (said) => {
      const { closed } = JSON.parse(said) as { closed?: string }
      if (closed !== undefined) this.closed.push(closed)
    })
    const [line] = (await once(lines, 'line')) as [string]
    return (JSON.parse(line) as { port: number }).port
  }

  private async startClient(): Promise<void> {
    const enter = `echo $$ > ${this.node.cgroup}/cgroup.procs; exec "$0" "$@"`
    this.client = spawn('sh', ['-c', enter, process.execPath, CLIENT], { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: this.client.stdout as NodeJS.ReadableStream })
    lines.on('line', (line) => {
      const said = JSON.parse(line) as Said
      this.connections.get(said.id)?.heard(said)
    })
    await once(lines, 'line')
  }
}
