/**
 * A connection keeps the dispatcher that it was born under. When another one enrols, the old
 * one's connections may go on for a named time, then they are destroyed: else the code
 * that was replaced would run for as long as its longest connection.
 */
import type { SocketName } from '../adapters/connection.ts'
import type { Sockets } from './netlink.ts'
import { STATES_CONNECTED } from './sock-diag.ts'

/** A dispatcher that enrols no more, and the cookies of the sockets that it still reads. */
export type OldDispatcher = { digest: string; cookies: readonly bigint[] }

export type OldDispatchersPorts = {
  sockets: Sockets
  drained(connection: SocketName, digest: string): void
}

export class OldDispatchers {
  destroyed = 0
  private readonly ports: OldDispatchersPorts
  private readonly deadlineMs: number
  private draining = new Map<string, { connections: number; deadline: number }>()

  constructor(ports: OldDispatchersPorts, deadlineMs: number) {
    this.ports = ports
    this.deadlineMs = deadlineMs
  }

  /** What goes on under a dispatcher that was replaced, and until when (milliseconds from now). */
  report(now: number): { dispatcher: string; connections: number; leftMs: number }[] {
    return [...this.draining].map(([dispatcher, { connections, deadline }]) => ({
      dispatcher,
      connections,
      leftMs: Math.max(0, Math.round(deadline - now)),
    }))
  }

  /** The time counts from when it was first seen replaced. */
  sweep(old: readonly OldDispatcher[], now: number): void {
    const still = new Map<string, { connections: number; deadline: number }>()
    for (const { digest, cookies } of old) {
      if (cookies.length === 0) continue
      const deadline = this.draining.get(digest)?.deadline ?? now + this.deadlineMs
      still.set(digest, { connections: cookies.length, deadline })
    }
    this.draining = still
    for (const { digest, cookies } of old)
      if ((still.get(digest)?.deadline ?? Number.POSITIVE_INFINITY) <= now) this.end(digest, new Set(cookies))
  }

  /** By the kernel's own list of sockets: also those that the map of connections had no room for. */
  private end(digest: string, cookies: ReadonlySet<bigint>): void {
    for (const socket of this.ports.sockets.list(STATES_CONNECTED)) {
      if (!cookies.has(socket.cookie) || !this.ports.sockets.destroy(socket)) continue
      this.destroyed++
      this.ports.drained(socket, digest)
    }
  }
}
