/** The slow path of one node: the connections that it serves at a time, and how it stops. */
import type { Socket } from 'node:net'
import { Limit } from '../../../bpf/abi/heddle.gen.ts'
import { newCounts, type OutboundCounts } from './counts.ts'
import { OutboundConnection } from './outbound-connection.ts'
import type { Connector, Router, Turn } from './ports.ts'
import { NOBODY, Wire } from './wire.ts'

/** Connections served at once, as many as the kernel follows; a further one is reset and counted. */
const MAX_CONNECTIONS = Limit.MAX_CLIENTS

export class Outbound {
  readonly counts: OutboundCounts = newCounts()
  private readonly connector: Connector
  private readonly complain: (error: unknown) => void
  private readonly connections = new Set<OutboundConnection>()
  private draining = false
  private emptied: (() => void) | undefined

  constructor(connector: Connector, complain: (error: unknown) => void) {
    this.connector = connector
    this.complain = complain
  }

  /** `socket`: accepted with `WIRE_OPTIONS`, at best adopted (`ReusingSocket`). One that comes while the relay stops is told 503. */
  take(socket: Socket, ports: { turn: Turn; router: Router }): OutboundConnection | undefined {
    const { connections, counts } = this
    if (connections.size >= MAX_CONNECTIONS) {
      counts.connections.turnedAway++
      socket.on('error', () => {})
      socket.resetAndDestroy()
      return undefined
    }
    counts.connections.taken++
    const { connector, complain } = this
    const closed = () => {
      connections.delete(connection)
      counts.connections.open = connections.size
      if (connections.size === 0) this.emptied?.()
    }
    const wire = new Wire(socket, NOBODY)
    const parts = { ...ports, connector, counts, complain, closed }
    const connection = new OutboundConnection(wire, parts, this.draining)
    connections.add(connection)
    counts.connections.open = connections.size
    return connection
  }

  /**
   * Finishes what is under way; what begins gets 503, what is idle ends. At the deadline
   * what has no answer yet gets 503, and half-told answers are broken off.
   */
  async drain(withinMs: number): Promise<void> {
    this.draining = true
    const done = new Promise<void>((resolve) => {
      this.emptied = resolve
    })
    for (const connection of [...this.connections]) connection.drain()
    if (this.connections.size === 0) return
    const deadline = setTimeout(() => this.expire(), withinMs)
    await done
    clearTimeout(deadline)
  }

  private expire(): void {
    for (const connection of [...this.connections]) connection.expire()
  }
}
