/** Three real nats-servers with a wire between each two of them, for tests that break both. */
import type { ChildProcess } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { ObjectStore } from '../../functions/ports.ts'
import { prepareCluster, type PreparedCluster } from '../../infra/nats/local-cluster.ts'
import type { LocalNode } from '../../infra/nats/local-server.ts'
import { busFiles } from '../../infra/nats/members.ts'
import { report } from '../../pipelines/contract/subjects.ts'
import { killServer, type Shown, shownBy, shownByFunctions, startServer } from './bus-member.ts'
import { freePort } from './free-port.ts'
import { eventually } from './local-delivery.ts'
import { TcpProxy } from './tcp-proxy.ts'

type Wire = { from: string; to: string; proxy: TcpProxy }

export class BusCluster {
  readonly bus: PreparedCluster
  readonly #wires: Wire[]
  readonly #processes = new Map<string, ChildProcess>()
  /** Where clients find each of them, also after a restart. */
  readonly urls = new Map<string, string>()

  private constructor(bus: PreparedCluster, wires: Wire[]) {
    this.bus = bus
    this.#wires = wires
  }

  static async start(directory: string, nodes: readonly LocalNode[]): Promise<BusCluster> {
    const wires: Wire[] = []
    const routePorts = [await freePort(), await freePort(), await freePort()]
    const bus = await prepareCluster(directory, {
      host: '127.0.0.1',
      routePorts,
      nodes,
      async routeOf(from, to, port) {
        const proxy = await TcpProxy.open(port)
        wires.push({ from, to, proxy })
        return proxy.port
      },
    })
    const cluster = new BusCluster(bus, wires)
    await Promise.all(bus.servers.map(({ name }) => cluster.restart(name)))
    return cluster
  }

  /** Until what is said at any of them is heard at all of them. `node` is a member, `store` knows it. */
  async whole(store: ObjectStore, node: string): Promise<void> {
    const open: NatsConnection[] = []
    const join = async (servers: string, shown: Shown) => {
      const connection = await connect({ servers, ...shown, reconnect: false })
      open.push(connection)
      return connection
    }
    try {
      const heard = new Set<string>()
      const said: [NatsConnection, string][] = []
      for (const name of this.names) {
        const ear = await join(this.url([name]), await shownByFunctions(this.bus))
        ear.subscribe(report('*'), { callback: (_, { data }) => void heard.add(`${data} at ${name}`) })
        said.push([await join(this.url([name]), await shownBy(this.bus, store, node)), name])
      }
      await eventually('a whole cluster', () => {
        for (const [mouth, name] of said) mouth.publish(report(node), name)
        return heard.size === said.length ** 2 ? true : undefined
      })
    } finally {
      for (const connection of open) await connection.close()
    }
  }

  get names(): string[] {
    return this.bus.servers.map(({ name }) => name)
  }

  /** Client URLs of these, or of all. */
  url(names: readonly string[] = this.names): string {
    return names.map((name) => this.urls.get(name)).join(',')
  }

  kill(name: string): Promise<void> {
    return killServer(this.#processes.get(name))
  }

  /** Empty, but for its configuration: whatever else it wrote is gone. */
  async restart(name: string): Promise<void> {
    const server = this.bus.servers.find((each) => each.name === name)
    if (server === undefined) throw new RangeError(name)
    await this.kill(name)
    const known = this.urls.get(name)
    if (known === undefined) {
      this.#processes.set(name, startServer(server.command))
      this.urls.set(name, await eventually(name, () => server.url()))
      return
    }
    await rm(`${busFiles(this.bus.directory).servers}/${name}/nats.pid`, { force: true })
    this.#processes.set(name, startServer([...server.command, '-p', known.slice(known.lastIndexOf(':') + 1)]))
  }

  /** Nothing passes between these and the others. */
  part(side: readonly string[], how: 'silent' | 'closed'): void {
    for (const { from, to, proxy } of this.#wires)
      if (side.includes(from) !== side.includes(to)) proxy.cut(how)
  }

  heal(): void {
    for (const { proxy } of this.#wires) proxy.heal()
  }

  /** Whatever a test has left broken. */
  async mend(): Promise<void> {
    this.heal()
    for (const name of this.names) {
      const server = this.#processes.get(name)
      if (server?.exitCode !== null || server.signalCode !== null) await this.restart(name)
    }
  }

  async stop(): Promise<void> {
    for (const name of this.names) await this.kill(name)
    for (const { proxy } of this.#wires) await proxy.close()
  }
}
