/**
 * Connections that the kernel doesn't judge: accepted before the dispatcher was
 * attached, or not enrolled since. They may go on until a named deadline, then
 * they are destroyed: else a policy would never reach a long-lived connection.
 *
 * Inbound is what stands on a port that a managed socket listens on. A server
 * that stopped listening and keeps its connections is not seen here.
 */
import { type SocketName, socketText } from '../adapters/connection.ts'
import type { Connections } from './connections.ts'
import { isManaged } from './managed.ts'
import type { Sockets } from './netlink.ts'
import { type DiagSocket, STATE_LISTEN, STATES_CONNECTED } from './sock-diag.ts'

/** Connections that a report names one by one. */
const REPORTED = 20

export type EstablishedPorts = {
  connections: Connections
  sockets: Sockets
  /** The relay's own connection to a workload: judged by the relay. */
  relayed(connection: SocketName): boolean
  /** `destroyed` = its deadline is over; else it was seen for the first time. */
  found(connection: SocketName, destroyed: boolean): void
}

/** Ids of the managed cgroups, keys of the workloads' addresses. */
export type Managed = { cgroups: Set<bigint>; addresses: Set<string> }

/** Listening sockets of managed processes. */
export function listeners(sockets: Sockets, { cgroups }: Managed): DiagSocket[] {
  return sockets.list(STATE_LISTEN).filter(({ cgroup }) => cgroups.has(cgroup))
}

export class Established {
  destroyed = 0
  private readonly ports: EstablishedPorts
  private readonly deadlineMs: number
  private draining = new Map<bigint, { socket: DiagSocket; deadline: number }>()

  constructor(ports: EstablishedPorts, deadlineMs: number) {
    this.ports = ports
    this.deadlineMs = deadlineMs
  }

  /** What goes on unjudged now, and until when (milliseconds from now). */
  report(now: number): { count: number; first: { connection: string; leftMs: number }[] } {
    const first = [...this.draining.values()].slice(0, REPORTED).map(({ socket, deadline }) => ({
      connection: socketText(socket),
      leftMs: Math.max(0, Math.round(deadline - now)),
    }))
    return { count: this.draining.size, first }
  }

  get count(): number {
    return this.draining.size
  }

  sweep(managed: Managed, now: number): void {
    const still = new Map<bigint, { socket: DiagSocket; deadline: number }>()
    for (const socket of this.unjudged(managed)) {
      const known = this.draining.get(socket.cookie)
      const deadline = known?.deadline ?? now + this.deadlineMs
      if (now >= deadline) {
        if (!this.ports.sockets.destroy(socket)) continue
        this.destroyed++
        this.ports.found(socket, true)
        continue
      }
      still.set(socket.cookie, { socket, deadline })
      if (!known) this.ports.found(socket, false)
    }
    this.draining = still
  }

  private unjudged(managed: Managed): DiagSocket[] {
    const listening = new Set(listeners(this.ports.sockets, managed).map(({ localPort }) => localPort))
    return this.ports.sockets
      .list(STATES_CONNECTED)
      .filter(
        (socket) =>
          managed.cgroups.has(socket.cgroup) &&
          listening.has(socket.localPort) &&
          isManaged(managed.addresses, socket.local) &&
          !this.ports.connections.one(socket.cookie) &&
          !this.ports.relayed(socket),
      )
  }
}
