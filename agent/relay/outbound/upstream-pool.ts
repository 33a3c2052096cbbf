/**
 * The relay's own connections to endpoints, those between two requests kept for the
 * next one of the same identity. One that a request has is bounded by the clients
 * that may be connected; what is bounded here is what waits.
 */
import { type Admitted, type Connector, type Target, TooManyWait } from './ports.ts'
import { ReusingSocket } from './reusing-socket.ts'
import { NOBODY, Wire } from './wire.ts'

/** Idle connections that are kept in all, and to one endpoint for one identity. */
const MAX_IDLE = 1_024
const MAX_IDLE_EACH = 64
/** Milliseconds that one is kept: less than the 5 s after which Node and Apache close theirs under a request. */
const IDLE_MS = 4_000
/** Milliseconds until a connection is there: two lost SYNs. */
const CONNECT_MS = 3_500

/** A socket on its way to the target. */
export type Open = (target: Target, connected: () => void) => ReusingSocket

const openSocket: Open = ({ address: host, port, source }, connected) => {
  const local = source === undefined ? {} : { localAddress: source }
  const socket = new ReusingSocket()
  socket.connect({ host, port, noDelay: true, ...local }, connected)
  return socket
}

type Idle = { wire: Wire; since: number }

export class UpstreamPool implements Connector {
  /** The last one given back is taken first: the others may age. */
  private readonly idle = new Map<string, Idle[]>()
  private readonly dialling = new Set<Wire>()
  private readonly clock: () => number
  private readonly open: Open
  private sweeper: NodeJS.Timeout | undefined
  private closed = false
  private count = 0
  readonly counts = { dialled: 0, failed: 0, reused: 0 }

  /** `clock`: milliseconds, never backwards. `open`: connects. */
  constructor(clock: () => number, open: Open = openSocket) {
    this.clock = clock
    this.open = open
  }

  get waiting(): number {
    return this.count
  }

  async take(target: Target, fresh: boolean, wait?: Admitted['wait']): Promise<Wire> {
    const found = fresh ? undefined : this.idle.get(keyOf(target))?.pop()
    if (!found) return this.queue(target, wait)
    this.count--
    this.counts.reused++
    return found.wire
  }

  giveBack(target: Target, wire: Wire): void {
    const key = keyOf(target)
    const list = this.idle.get(key) ?? []
    if (!wire.open || this.closed || list.length >= MAX_IDLE_EACH || this.count >= MAX_IDLE) {
      wire.owner = NOBODY
      wire.destroy()
      return
    }
    const leave = () => this.leave(key, wire)
    // Whatever an idle server says ends it: nobody asked.
    wire.owner = { bytes: leave, ended: leave, drained: () => {}, gone: leave }
    wire.resume()
    list.push({ wire, since: this.clock() })
    this.idle.set(key, list)
    this.count++
    this.sweeper ??= setInterval(() => this.sweep(), IDLE_MS / 2).unref()
  }

  /** Idle ones end now, what a request has when it is given back. */
  close(): void {
    this.closed = true
    clearInterval(this.sweeper)
    for (const [key, list] of this.idle) for (const { wire } of [...list]) this.leave(key, wire)
    for (const wire of this.dialling) wire.destroy()
  }

  private async queue(target: Target, wait: Admitted['wait'] = () => () => {}): Promise<Wire> {
    const leave = wait()
    if (!leave) throw new TooManyWait(`too many wait for ${target.address}:${target.port}`)
    try {
      return await this.dial(target)
    } finally {
      leave()
    }
  }

  private dial(target: Target): Promise<Wire> {
    this.counts.dialled++
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(deadline)
        this.dialling.delete(wire)
        wire.owner = NOBODY
      }
      const failed = () => {
        settle()
        this.counts.failed++
        reject(new Error(`no connection to ${target.address}:${target.port}`))
      }
      const connected = () => {
        settle()
        resolve(wire)
      }
      const socket = this.open(target, connected)
      const wire = new Wire(socket, { ...NOBODY, gone: failed })
      const deadline = setTimeout(() => wire.destroy(), CONNECT_MS)
      this.dialling.add(wire)
    })
  }

  private leave(key: string, wire: Wire): void {
    wire.owner = NOBODY
    wire.destroy()
    const list = this.idle.get(key) ?? []
    const at = list.findIndex((idle) => idle.wire === wire)
    if (at < 0) return
    list.splice(at, 1)
    this.count--
    if (list.length === 0) this.idle.delete(key)
  }

  private sweep(): void {
    const before = this.clock() - IDLE_MS
    for (const [key, list] of this.idle)
      for (const { wire } of list.filter(({ since }) => since <= before)) this.leave(key, wire)
    for (const [key, list] of this.idle) if (list.length === 0) this.idle.delete(key)
    if (this.idle.size > 0) return
    clearInterval(this.sweeper)
    this.sweeper = undefined
  }
}

const keyOf = ({ address, port, identity, source }: Target) =>
  `${identity} ${address} ${port} ${source ?? ''}`
