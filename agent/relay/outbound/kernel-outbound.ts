/**
 * The client side of one node: the listener that connect() to a service leads to, its clients'
 * connections, the kernel's pools of upstreams, and what the kernel has to say about them.
 */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { ClientReason, EventKind } from '../../../bpf/abi/heddle.gen.ts'
import { addressBytes, isLoopback } from '../../adapters/address-bytes.ts'
import type { RelayEvent } from '../../adapters/connection.ts'
import { BpfMap, u32 } from '../../adapters/libbpf.ts'
import type { DispatcherPins, Pins } from '../../adapters/pins.ts'
import { readCounters } from '../counters.ts'
import { KernelMirror } from '../mirror/kernel-mirror.ts'
import { Verdicts } from '../verdicts.ts'
import { ClientGroups } from './client-groups.ts'
import { KernelAsk } from './kernel-ask.ts'
import { type KernelClient, KernelClients } from './kernel-clients.ts'
import { KernelConnections } from './kernel-connections.ts'
import { KernelDirect } from './kernel-direct.ts'
import { KernelRouter } from './kernel-router.ts'
import { KernelBreakers } from './kernel-breakers.ts'
import { KernelBalance } from './kernel-balance.ts'
import { KernelServices } from './kernel-routes.ts'
import { Turns } from './kernel-turn.ts'
import { KernelUpstreams } from './kernel-upstreams.ts'
import { listeningPlaces } from './listening-places.ts'
import { Outbound } from './outbound.ts'
import type { OutboundConnection } from './outbound-connection.ts'
import { ReusingSocket } from './reusing-socket.ts'
import type { Rest } from './response-rest.ts'
import { UpstreamEntries } from './upstream-entries.ts'
import { UpstreamPool } from './upstream-pool.ts'
import type { ResponseRest, UneditedResponse } from './response-reader.ts'
import { WIRE_OPTIONS, type Wire } from './wire.ts'

/** Connections that wait to be accepted. */
const BACKLOG = 4096

export class KernelOutbound {
  readonly outbound: Outbound
  private readonly ask: KernelAsk
  private readonly port: BpfMap
  private readonly clients: KernelClients
  private readonly services: KernelServices
  private readonly verdicts: Verdicts
  private readonly balance: KernelBalance
  private readonly breakers: KernelBreakers
  private readonly router: KernelRouter
  private readonly connector: UpstreamPool
  readonly copies: KernelMirror
  private readonly turns: Turns
  private readonly connections: KernelConnections
  private readonly entries: UpstreamEntries
  private readonly upstreams: KernelUpstreams
  private readonly direct: KernelDirect
  private readonly servers: Server[] = []
  /** Who connects while no relay runs waits in the sockets' queues. */
  private keepsPort = false
  private readonly known = new Map<bigint, OutboundConnection>()
  /** By client: what came for connections that the kernel serves already and that are not accepted yet. */
  private readonly early = new Map<bigint, ((connection: OutboundConnection) => void)[]>()
  private readonly groups: ClientGroups
  private readonly counts: () => Record<string, number>
  /** What was counted before this relay: then kernel and relay say what they did in one and the same time. */
  private readonly before: Record<string, number>
  private readonly now: () => number
  private readonly complain: (error: unknown) => void

  constructor(
    pins: Pins,
    dispatcher: DispatcherPins,
    parts: { now: () => number; random: () => number; complain: (error: unknown) => void },
  ) {
    this.now = parts.now
    this.complain = parts.complain
    this.counts = () => readCounters(pins.map('client_counters'), ClientReason)
    this.before = this.counts()
    this.ask = new KernelAsk(dispatcher.program('relay_ask'))
    this.port = BpfMap.pinned(pins.map('outbound_port'))
    this.clients = new KernelClients(pins)
    this.services = new KernelServices(pins)
    this.verdicts = new Verdicts(pins)
    this.verdicts.follow(dispatcher)
    const sources = { now: process.hrtime.bigint, random: parts.random }
    this.balance = new KernelBalance(pins, this.services, this.ask, sources)
    this.breakers = new KernelBreakers(pins, dispatcher)
    this.connections = new KernelConnections(pins, dispatcher, this.ask)
    const { ask, balance, clients, connections } = this
    this.copies = new KernelMirror(pins, {
      ...{ verdicts: this.verdicts, balance, ...parts },
      open: (target, connected) => connections.openJudged(target, connected),
    })
    this.router = new KernelRouter(pins, {
      ...{ verdicts: this.verdicts, balance, breakers: this.breakers },
      ...{ random: parts.random, mirror: this.copies.mirror },
    })
    this.entries = new UpstreamEntries(pins)
    const { entries } = this
    this.upstreams = new KernelUpstreams(
      pins,
      { ask, connections, entries },
      {
        ended: (client, end) => this.whenKnown(client, ({ hands }) => hands.ended(end)),
        rest: (client, wire, rest) => this.takeRest(client, wire, rest),
        over: (client) => this.turns.come(client),
        emptied: (pool) => this.direct.lose(pool),
        broke: (index, { service, came }) =>
          this.breakers.broke({ index, came, rule: this.router.ruleOf(service) }) || ask.reset(index),
      },
    )
    this.direct = new KernelDirect(pins, { ask, entries, lend: () => this.upstreams.lend(), now: parts.now })
    const { router, upstreams, direct } = this
    this.groups = new ClientGroups({ router, balance, upstreams, direct, ...parts })
    this.turns = new Turns({ ask, clients, upstream: (index) => this.upstreams.wire(index) })
    this.connector = new UpstreamPool(parts.now, (target, connected) =>
      connections.openJudged(target, connected),
    )
    this.outbound = new Outbound(this.connector, parts.complain)
  }

  /** Has the node the maps and the program for it? An older dispatcher has not. */
  static isServedBy(pins: Pins, dispatcher: DispatcherPins): boolean {
    return (
      existsSync(pins.map('clients')) &&
      existsSync(pins.map('health')) &&
      existsSync(pins.map('direct_ways')) &&
      existsSync(dispatcher.remotes) &&
      existsSync(dispatcher.program('relay_ask'))
    )
  }

  /** From here on connect() to a service leads here. `inherited`: listening sockets that outlive this process. */
  async listen(inherited: readonly number[]): Promise<void> {
    this.keepsPort = inherited.length > 0
    for (const place of await listeningPlaces(inherited)) this.servers.push(await this.server(place))
    const [{ port }] = this.servers.map((server) => server.address() as AddressInfo) as [AddressInfo]
    this.port.update(u32(0), u32(port))
  }

  /** An event of the ring that is about clients; false = it is not. */
  take({ kind, cookie, requests: index }: Pick<RelayEvent, 'kind' | 'cookie' | 'requests'>): boolean {
    if (kind === EventKind.EVENT_TURN) this.turns.come(cookie)
    else if (kind === EventKind.EVENT_ABANDONED) this.upstreams.end(index)
    else if (kind === EventKind.EVENT_UNFOLLOWED) {
      this.upstreams.end(index)
      this.whenKnown(cookie, ({ hands }) => hands.breakOff())
    } else return false
    return true
  }

  /** Services, routes and generations change meanwhile: pools follow. `addresses`: of this node's workloads. */
  sweep(addresses: readonly Uint8Array[]): void {
    // Another node knows a workload by its address; loopback is nobody's there.
    const known = addresses.filter((each) => !isLoopback(each))
    for (const client of this.early.keys()) if (!this.clients.has(client)) this.early.delete(client)
    const sources = new Map(known.map((address) => [this.verdicts.identityAt(address), address]))
    this.groups.sweep(sources)
    this.copies.sweep(sources)
    this.direct.sweep()
    this.upstreams.sweep(this.now(), (client) => this.clients.has(client))
  }

  get stats(): Record<string, unknown> {
    const since = Object.entries(this.counts()).map(([name, count]) => [
      name,
      count - (this.before[name] ?? 0),
    ])
    return {
      ...this.outbound.counts,
      upstreams: this.upstreams.open,
      breakers: this.breakers.stats(this.services),
      mirror: this.copies.stats,
      /** By enum heddle_client_reason. */
      counters: Object.fromEntries(since.filter(([, count]) => count !== 0)),
    }
  }

  /** New connections are refused from now on; what is under way is finished within that time. */
  async close(withinMs: number): Promise<void> {
    if (!this.keepsPort) this.port.update(u32(0), u32(0))
    this.direct.stop()
    for (const server of this.servers) server.close()
    const deadline = this.now() + withinMs
    await this.outbound.drain(withinMs)
    await this.upstreams.close(deadline - this.now())
    await this.copies.close()
    this.connector.close()
    this.router.close()
    this.balance.close()
    for (const part of [
      this.ask,
      this.breakers,
      this.entries,
      this.direct,
      this.port,
      this.clients,
      this.services,
      this.verdicts,
      this.connections,
    ])
      part.close()
  }

  private async server(place: { fd: number } | { host: string; port: number }): Promise<Server> {
    const server = createServer({ ...WIRE_OPTIONS, pauseOnConnect: false }, (socket) => this.accept(socket))
    server.listen({ ...place, backlog: BACKLOG })
    await once(server, 'listening')
    server.on('error', (error) => this.complain(error))
    return server
  }

  private accept(socket: Socket): void {
    try {
      const { remoteAddress, remotePort } = socket
      const name = remoteAddress !== undefined && {
        address: addressBytes(remoteAddress),
        port: remotePort ?? 0,
      }
      const client = name ? this.clients.find(name) : undefined
      if (client) this.serve(socket, client)
      else {
        // Somebody who called the listener by its own port, or whom the kernel could not enrol.
        this.outbound.counts.connections.turnedAway++
        socket.resetAndDestroy()
      }
    } catch (error) {
      this.complain(error)
      socket.resetAndDestroy()
    }
  }

  private serve(accepted: Socket, client: KernelClient): void {
    const group = this.groups.join(client)
    const socket = ReusingSocket.adopt(accepted)
    const connection = this.outbound.take(socket, {
      turn: this.turns.turn(client.cookie),
      router: this.groups.growing(group, this.router.for(client)),
    })
    if (connection) this.met(client.cookie, connection)
    socket.once('close', () => {
      this.known.delete(client.cookie)
      this.groups.leave(group)
    })
  }

  private met(client: bigint, connection: OutboundConnection): void {
    this.known.set(client, connection)
    for (const act of this.early.get(client) ?? []) act(connection)
    this.early.delete(client)
    this.upstreams.settle(client, (end) => connection.hands.ended(end))
  }

  /** The kernel may bring a client's requests to an end before the relay has accepted its connection. */
  private whenKnown(client: bigint, act: (connection: OutboundConnection) => void): void {
    const connection = this.known.get(client)
    if (connection) act(connection)
    else if (this.clients.has(client)) this.early.set(client, [...(this.early.get(client) ?? []), act])
  }

  private takeRest(client: bigint, wire: Wire, unchanged: ResponseRest | UneditedResponse): void {
    const connection = this.known.get(client)
    const rest = this.changing(unchanged)
    if (connection && rest) connection.hands.takeRest(wire, rest)
    else {
      wire.reset()
      this.whenKnown(client, ({ hands }) => hands.breakOff())
    }
  }

  /** Undefined = the tables that say how are no longer active. */
  private changing(rest: ResponseRest | UneditedResponse): Rest | undefined {
    if (rest.framing !== 'head') return rest
    const change = this.router.responseEdit(rest.edit)
    return change && { ...rest, change }
  }
}
