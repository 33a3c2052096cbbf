/**
 * A message that has begun keeps its generation, and with it a slot. It may do
 * so for a named time after the flip, then its connection is destroyed, so that
 * one endless upload can't keep releases from a node for ever.
 */
import { type Connection, inMessage } from '../adapters/connection.ts'
import type { Sockets } from './netlink.ts'

type Held = { slot: number; requests: number; deadline: number }

export type DrainingPorts = {
  sockets: Sockets
  drained(connection: Connection): void
}

export class Draining {
  private readonly ports: DrainingPorts
  private readonly drainMs: number
  private held = new Map<bigint, Held>()

  constructor(ports: DrainingPorts, drainMs: number) {
    this.ports = ports
    this.drainMs = drainMs
  }

  /** Connections in mid-message under a generation that is no longer active. */
  get count(): number {
    return this.held.size
  }

  /** `activeSlot` null = no generation is active. The time counts from when it was first seen held. */
  sweep(connections: readonly Connection[], activeSlot: number | null, now: number): void {
    const still = new Map<bigint, Held>()
    for (const connection of connections) {
      const { cookie, slot, requests } = connection
      if (activeSlot === null || slot === activeSlot || !inMessage(connection)) continue
      const known = this.held.get(cookie)
      const same = known && known.slot === slot && known.requests === requests
      const deadline = same ? known.deadline : now + this.drainMs
      if (now < deadline) still.set(cookie, { slot, requests, deadline })
      else if (this.ports.sockets.destroy(connection)) this.ports.drained(connection)
    }
    this.held = still
  }
}
