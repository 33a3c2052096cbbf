/**
 * One node that becomes one cluster of the Gateway API's tests after the other: its routes a generation, its
 * services what the agent would write of them, its clients processes in a cgroup for each namespace. What a
 * client sends goes through the real programs and a real relay.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import { type Assignment, assign, rowsFor } from '../../../agent/identities.ts'
import { routeContentFor } from '../../../agent/route-choices.ts'
import { nothingRests } from '../../../agent/service-runs.ts'
import type { ServiceWish } from '../../../agent/ports.ts'
import { storesFor } from '../../../agent/service-stores.ts'
import { ClientReason } from '../../../bpf/abi/heddle.gen.ts'
import type { Workload } from '../../../pipelines/policy/model.ts'
import type { ServicePort } from '../../../pipelines/policy/route.ts'
import { serviceKey } from '../../../pipelines/services/model.ts'
import type { Case } from '../../conformance/gateway-cases.ts'
import type { Fields, Seen } from '../../conformance/gateway-check.ts'
import type { Cluster } from '../../conformance/gateway-cluster.ts'
import { compileSet, dispatcherElf } from './artifacts.ts'
import type { Echo } from './gateway-echo.ts'
import { KernelFixture } from './kernel-fixture.ts'
import { Connection, responses } from './outbound-connection.ts'

const RELAY = fileURLToPath(new URL('../../../agent/relay/main.js', import.meta.url))
const ECHO = fileURLToPath(new URL('./gateway-echo.js', import.meta.url))
const CLIENT = fileURLToPath(new URL('./outbound-client.js', import.meta.url))
const SLOTS = 8
const MAX_CPUS = 256

/** What the kernel counts of requests: all that a request may do to these. */
export type Ways = Record<keyof typeof ClientReason, number>
/** By whom a request was carried or answered; the relay's come with why. */
export type Way = 'kernel' | `relay: ${string}`

const workload = (namespace: string, index: number): Workload => ({
  name: 'client',
  namespace,
  labels: {},
  addresses: [`127.0.1.${index + 1}`],
  mode: 'kernel',
})

export class GatewayNode {
  private readonly node: KernelFixture
  private readonly workloads: readonly Workload[]
  private readonly assigned: Assignment
  private readonly clients = new Map<string, Client>()
  private ports: Record<string, number> = {}
  private relay: ChildProcess | undefined
  private generation = 0
  private addresses = new Map<string, string>()
  private numbers = 0

  private constructor(node: KernelFixture, namespaces: readonly string[]) {
    this.node = node
    this.workloads = namespaces.map(workload)
    this.assigned = assign({ identities: [], published: [] }, [...this.workloads])
  }

  /** `backends`: NAMESPACE/NAME of all servers of all clusters. */
  static async create(namespaces: readonly string[], backends: readonly string[]): Promise<GatewayNode> {
    const node = new GatewayNode(await KernelFixture.create(await dispatcherElf()), namespaces)
    try {
      await node.start(backends)
      return node
    } catch (error) {
      await node.close()
      throw error
    }
  }

  /** From now on it is this cluster; `services` are those that its clients call. */
  async become(cluster: Cluster, services: readonly ServicePort[]): Promise<void> {
    const { kernel } = this.node
    const generation = ++this.generation
    const slot = generation % SLOTS
    const artifact = await compileSet(cluster.set)
    const { identities } = this.assigned
    const there = [...artifact.services, ...services].filter(
      (service) => cluster.endpoints(service) !== 'unknown',
    )
    const wishes = [...new Map(there.map((service) => [serviceKey(service), service]))].map(
      ([key, service], index) => ({ key, wish: this.wishFor(cluster, service, index) }),
    )
    const numbers = new Map(wishes.map(({ key, wish }) => [key, wish.number]))
    this.addresses = new Map(wishes.map(({ key, wish }) => [key, wish.addresses[0]?.address ?? '']))
    await this.node.stage(slot, artifact.elf, rowsFor(artifact.blocks, identities))
    await kernel.setRoutes(slot, routeContentFor(artifact, { numbers, identities }))
    const content = (await kernel.outbound.read()) ?? assert.fail('the dispatcher knows no services')
    const all = wishes.map(({ wish }) => wish)
    for (const store of storesFor(content, all, nothingRests(), 0)) await kernel.outbound.write(store)
    await kernel.flip(slot, generation)
  }

  /** A connection of the case's client to the service that it calls. */
  async open({ client, service }: Case): Promise<Connection> {
    const host = this.addresses.get(serviceKey(service)) ?? assert.fail(`no ${serviceKey(service)}`)
    return (this.clients.get(client) ?? assert.fail(client)).open(host, service.port)
  }

  /** How requests went so far, by the kernel's own count. */
  ways(): Ways {
    return this.node.withMap('client_counters', (map) => {
      const count = (reason: number) => {
        const value = map.lookup(u32(reason), 8 * MAX_CPUS) ?? Buffer.alloc(8)
        let sum = 0
        for (let at = 0; at < value.length; at += 8) sum += Number(value.readBigUInt64LE(at))
        return sum
      }
      const names = Object.entries(ClientReason).filter(([name]) => name !== 'CLIENT_REASONS')
      return Object.fromEntries(names.map(([name, reason]) => [name, count(reason)]))
    }) as Ways
  }

  async close(): Promise<void> {
    for (const { child } of this.clients.values()) child.kill('SIGKILL')
    const { relay } = this
    if (relay && relay.exitCode === null) {
      const gone = once(relay, 'exit')
      relay.kill('SIGKILL')
      await gone
    }
    await this.node.close()
  }

  private async start(backends: readonly string[]): Promise<void> {
    const { node } = this
    const echo = node.spawnManaged(process.execPath, [ECHO, ...backends])
    const said = once(createInterface({ input: echo.stdout as NodeJS.ReadableStream }), 'line')
    this.ports = JSON.parse(((await said) as [string])[0])
    const ids = []
    for (const [index, { namespace }] of this.workloads.entries()) {
      mkdirSync(join(node.cgroup, namespace))
      const id = (await node.kernel.outbound.cgroupIds([namespace])).get(namespace)
      ids.push({ id: id ?? assert.fail(namespace), identity: this.assigned.identities[index]?.number ?? 0 })
      this.clients.set(namespace, await Client.start(join(node.cgroup, namespace)))
    }
    await node.kernel.setAddresses(this.assigned.addresses)
    await node.kernel.outbound.setCgroups(ids)
    await this.startRelay()
  }

  private async startRelay(): Promise<void> {
    const { bpffs, cgroup, directory } = this.node
    const [workloads, config] = [join(directory, 'workloads.json'), join(directory, 'relay.json')]
    writeFileSync(workloads, JSON.stringify({ workloads: this.workloads }))
    const own = { bpffs, cgroup, workloads, stats: join(directory, 'relay.sock'), journal: null }
    const times = { sweepMs: 100, stopMs: 500 }
    writeFileSync(config, JSON.stringify({ schema: 'heddle.relay/1', node: 'n1', ...times, ...own }))
    this.relay = spawn(process.execPath, [RELAY, '--config', config], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(this.relay.stdout as NodeJS.ReadableStream, 'data')
  }

  /** Numbers and addresses are never another cluster's: a late reader would take one for the other. */
  private wishFor({ backends }: Cluster, service: ServicePort, index: number): ServiceWish {
    const endpoints = (backends(service) ?? []).map((backend) => {
      const port = this.ports[`${service.namespace}/${backend}`] ?? assert.fail(backend)
      return { address: '127.0.0.1', port, local: true, weight: 1 }
    })
    const address = `10.96.${this.generation}.${index + 1}`
    return {
      number: ++this.numbers,
      addresses: [{ address, port: service.port }],
      endpoints,
      local: endpoints.length,
      zone: endpoints.length,
    }
  }
}

/** One process in a cgroup of its own. */
class Client {
  readonly child: ChildProcess
  private readonly connections = new Map<number, Connection>()

  private constructor(child: ChildProcess) {
    this.child = child
  }

  static async start(cgroup: string): Promise<Client> {
    const enter = `echo $$ > ${cgroup}/cgroup.procs; exec "$0" "$@"`
    const child = spawn('sh', ['-c', enter, process.execPath, CLIENT], { stdio: ['pipe', 'pipe', 'inherit'] })
    const client = new Client(child)
    const lines = createInterface({ input: child.stdout })
    lines.on('line', (line) => {
      const said = JSON.parse(line) as Parameters<Connection['heard']>[0]
      client.connections.get(said.id)?.heard(said)
    })
    await once(lines, 'line')
    return client
  }

  async open(host: string, port: number): Promise<Connection> {
    const id = this.connections.size + 1
    const connection = new Connection((op, more = {}) =>
      this.child.stdin?.write(`${JSON.stringify({ op, id, ...more })}\n`),
    )
    this.connections.set(id, connection)
    connection.command('open', { host, port })
    await connection.until(() => connection.peer !== undefined || connection.failure !== undefined)
    return connection
  }
}

/** Sends a case's request once, and says what client and server saw. */
export async function exchange(connection: Connection, { request, answer }: Case): Promise<Seen> {
  const asked: Fields = answer.map(([name, value]) => ['X-Echo-Set-Header', `${name}:${value}`])
  const fields = [...request.fields, ...asked].map(([name, value]) => `${name}: ${value}\r\n`).join('')
  connection.forget()
  connection.send(`${request.method} ${request.target} HTTP/1.1\r\n${fields}\r\n`)
  await connection.until(() => responses(connection.text) === 1 || connection.closed)
  const [head = '', body = ''] = connection.text.split('\r\n\r\n', 2)
  const [first = '', ...lines] = head.split('\r\n')
  const seen = {
    status: Number(first.split(' ')[1]),
    fields: lines.map((line) => line.split(': ', 2) as [string, string]),
  }
  if (body === '') return seen
  const { backend, ...served } = JSON.parse(body) as Echo
  return { ...seen, served: { ...served, backends: [backend] } }
}
