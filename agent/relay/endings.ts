/**
 * Ends refused connections. The kernel drops every byte after a refusal, so that
 * nothing here is about safety; it frees the server from a socket that looks
 * readable for ever, and lets the client read its 403 before the reset.
 *
 * A connection is looked at `lingerMs` after its refusal, then every tick: gone
 * by itself; or the reply is out, acknowledged and lingered; or the grace is over.
 */
import { ConnFlag, EventKind, Limit, Phase } from '../../bpf/abi/heddle.gen.ts'
import type { Connection, RelayEvent, SocketName } from '../adapters/connection.ts'
import type { Connections } from './connections.ts'
import type { Sockets } from './netlink.ts'

/** How a refused connection came to its end, or why it has not. */
export const ENDINGS = [
  'byItself',
  'afterReply',
  'atGrace',
  'atOnce',
  'owedTooLong',
  'failed',
  'foundBySweep',
  'overflow',
] as const
export type Ending = (typeof ENDINGS)[number]

/** Endings under way at once; what is above it is found by a later sweep. */
const MAX_PENDING = Limit.MAX_CONNS
/** Milliseconds between two looks while anything is pending. */
export const TICK_MS = 10

export type EndingLimits = { lingerMs: number; graceMs: number; replyMs: number; owedMs: number }

type Refused = SocketName & { reason: number; status: number; requests: number }
type Pending = { refused: Refused; due: number; since: number }

export type EndingsPorts = {
  connections: Connections
  sockets: Sockets
  /** Called once for each outcome. */
  ended(refused: Refused, how: Ending, error?: unknown): void
}

export class Endings {
  private readonly ports: EndingsPorts
  private readonly limits: EndingLimits
  /** The reply is out or on its way. */
  private readonly ending = new Map<bigint, Pending>()
  /** Responses to earlier requests come first. */
  private readonly owing = new Map<bigint, Pending>()

  constructor(ports: EndingsPorts, limits: EndingLimits) {
    this.ports = ports
    this.limits = limits
  }

  get pending(): { ending: number; owing: number } {
    return { ending: this.ending.size, owing: this.owing.size }
  }

  /** True = tick() has something to look at. */
  get busy(): boolean {
    return this.ending.size > 0
  }

  /** Events of other kinds are not about endings and are ignored. */
  tell(event: RelayEvent, now: number): void {
    if (event.kind === EventKind.EVENT_END_LATER) this.owe(event, now)
    else if (event.kind === EventKind.EVENT_END) this.end(event, now)
  }

  /** Looks at what is due. */
  tick(now: number): void {
    for (const pending of this.ending.values())
      try {
        if (pending.due <= now) this.look(pending, now)
      } catch (error) {
        this.forget(pending.refused, 'failed', error)
      }
  }

  /**
   * Finds refused connections that no event told of (lost, or while no relay
   * ran), and ends what was owed for too long. Waits as long as the caller's beat.
   */
  sweep(connections: readonly Connection[], now: number): void {
    for (const connection of connections) {
      if (connection.phase !== Phase.CLOSED || this.knows(connection.cookie)) continue
      this.ports.ended(connection, 'foundBySweep')
      if (connection.flags & ConnFlag.CONN_REPLY_DUE) this.owe(connection, now)
      else this.end(connection, now)
    }
    for (const { refused, since } of this.owing.values())
      if (!this.ports.connections.one(refused.cookie)) this.forget(refused, 'byItself')
      else if (now - since >= this.limits.owedMs) this.destroy(refused, 'owedTooLong')
  }

  private knows(cookie: bigint): boolean {
    return this.ending.has(cookie) || this.owing.has(cookie)
  }

  private owe(refused: Refused, now: number): void {
    if (this.knows(refused.cookie) || this.full(refused)) return
    this.owing.set(refused.cookie, { refused, due: 0, since: now })
  }

  private end(refused: Refused, now: number): void {
    if (this.ending.has(refused.cookie)) return
    if (!this.owing.delete(refused.cookie) && this.full(refused)) return
    // Nobody waits for an answer: no request came before TLS, an L3/L4 drop, an unknown state.
    if (refused.status === 0 && refused.requests === 0) this.destroy(refused, 'atOnce')
    else this.ending.set(refused.cookie, { refused, due: now + this.limits.lingerMs, since: now })
  }

  private full(refused: Refused): boolean {
    if (this.ending.size + this.owing.size < MAX_PENDING) return false
    this.ports.ended(refused, 'overflow')
    return true
  }

  private look({ refused, since }: Pending, now: number): void {
    const { graceMs, replyMs } = this.limits
    const connection = this.ports.connections.one(refused.cookie)
    if (!connection) {
      this.forget(refused, 'byItself')
    } else if (now - since >= (connection.flags & ConnFlag.CONN_REPLY_OUT ? replyMs : graceMs)) {
      this.destroy(refused, 'atGrace')
    } else if (connection.flags & ConnFlag.CONN_REPLY_DUE) {
      // The sweep saw it between its refusal and the note that a reply is due.
      this.ending.delete(refused.cookie)
      this.owe(refused, now)
    } else if (!(connection.flags & ConnFlag.CONN_REPLY_OUT) && this.replyHasLeft(refused)) {
      this.destroy(refused, 'afterReply')
    }
  }

  /** Acknowledged, and the client has had its time. */
  private replyHasLeft(refused: Refused): boolean {
    const socket = this.ports.sockets.look(refused)
    return !socket || (socket.unacknowledged === 0 && socket.sinceSentMs >= this.limits.lingerMs)
  }

  /** What can't be destroyed now stays CLOSED in the kernel, and a sweep tries again. */
  private destroy(refused: Refused, how: Ending): void {
    try {
      this.forget(refused, this.ports.sockets.destroy(refused) ? how : 'byItself')
    } catch (error) {
      this.forget(refused, 'failed', error)
    }
  }

  private forget(refused: Refused, how: Ending, error?: unknown): void {
    this.ending.delete(refused.cookie)
    this.owing.delete(refused.cookie)
    this.ports.ended(refused, how, error)
  }
}
