/**
 * The relay's connections to endpoints, which programs hand requests to: one pool for each endpoint and
 * identity, grown with the clients that may use it, shrunk some time after they have gone.
 * The relay moves no byte on them; what it reads there was asked for by nobody.
 */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Limit,
  PoolKeyLayout,
  PoolLayout,
  UpstreamFlag,
  UpstreamLayout,
  Use,
  Way,
} from '../../../bpf/abi/heddle.gen.ts'
import { BpfMap } from '../../adapters/libbpf.ts'
import type { Pins } from '../../adapters/pins.ts'
import type { KernelAsk } from './kernel-ask.ts'
import type { KernelConnections } from './kernel-connections.ts'
import { clientsOf, keyOf, newPool, type Pool, type PoolName, wantedIn } from './kernel-pool.ts'
import { Orphans } from './orphans.ts'
import type { KernelEnd } from './ports.ts'
import type { UpstreamEntries } from './upstream-entries.ts'
import type { UpstreamHooks } from './upstream-hooks.ts'
import { brokenOff, endOf, poolKey, restOf, upstreamValue } from './upstream-values.ts'
import { NOBODY, Wire } from './wire.ts'

/** Milliseconds before an endpoint that takes no connection is tried again. */
const RETRY_MS = 500
/** Milliseconds that connections wait for clients to come back, as many as there were. */
const KEEP_MS = 30_000
/**
 * Milliseconds until a client hears that the server on another node has closed behind a whole response: a
 * worker of the kernel brings that response to the client, and an end must not overtake it. Most have closed by then.
 */
const SETTLE_MS = 1_000
/** Milliseconds that requests of clients whom nobody has accepted have at least when the relay stops. */
const LAST_WORK_MS = 500
/** Milliseconds between two looks at what is still under way. */
const WORK_POLL_MS = 20

const { fields } = UpstreamLayout
const ESTABLISHED: readonly number[] = [Use.USE_IDLE, Use.USE_TAKEN]

export class KernelUpstreams {
  private readonly ask: KernelAsk
  private readonly connections: KernelConnections
  private readonly entries: UpstreamEntries
  private readonly poolMap: BpfMap
  private readonly pools = new Map<string, Pool>()
  private readonly unused: number[]
  private readonly orphans: Orphans
  /** Closed, and still in their pool's list. */
  private readonly lingering = new Map<number, Pool>()
  /** Of which the end is not their servers' doing. */
  private readonly broken = new Set<number>()
  private readonly hooks: UpstreamHooks
  private emptied: (() => void) | undefined
  private closing = false

  constructor(
    pins: Pins,
    {
      ask,
      connections,
      entries,
    }: { ask: KernelAsk; connections: KernelConnections; entries: UpstreamEntries },
    hooks: UpstreamHooks,
  ) {
    this.ask = ask
    this.connections = connections
    this.hooks = hooks
    this.entries = entries
    this.poolMap = BpfMap.pinned(pins.map('pools'))
    // What a killed relay left: its connections went with it.
    for (const key of [...this.poolMap.keys(PoolKeyLayout.bytes, Limit.MAX_POOLS)]) this.poolMap.delete(key)
    this.orphans = new Orphans(entries, ask, (index) => this.release(index))
    this.unused = this.orphans.inherit()
  }

  get open(): number {
    return this.all().length
  }

  /** Clients of a group that may send requests to these endpoints, and to no others: so many connections are kept. */
  want(places: readonly PoolName[], { group, count }: { group: string; count: number }, now: number): void {
    const wanted = new Set(places.map(keyOf))
    for (const [key, pool] of this.pools) if (!wanted.has(key)) this.leave(pool, group)
    for (const place of places) {
      const pool = this.pools.get(keyOf(place)) ?? this.add(place)
      pool.place = place.place
      if (count === 0) pool.clients.delete(group)
      else pool.clients.set(group, count)
      const clients = clientsOf(pool)
      if (clients >= pool.most) {
        pool.most = clients
        pool.since = now
      }
      this.fit(pool, now)
    }
  }

  /** Ends those of an index that must not go on: its client broke off, or can't be followed. */
  end(index: number): void {
    const wire = this.wire(index)
    // Of one that has gone already nothing is noted: the next one of that index would be taken for it.
    if (!wire) return
    this.broken.add(index)
    wire.reset()
  }

  wire(index: number): Wire | undefined {
    return this.all().find(([open]) => open === index)?.[1]
  }

  /** Every now and then: surplus goes, what is missing comes, indexes come free. */
  sweep(now: number, lives: (client: bigint) => boolean): void {
    this.orphans.sweep(lives)
    for (const index of this.lingering.keys()) if (this.ask.bury(index)) this.release(index)
    for (const pool of this.pools.values()) {
      this.closeBuried(pool)
      if (pool.most === 0 && pool.clients.size === 0) this.empty(pool)
      if (now - pool.since >= KEEP_MS) {
        pool.most = clientsOf(pool)
        pool.since = now
      }
      this.fit(pool, now)
    }
  }

  /** Is a connection to the endpoint there? Then one more can be made, as far as anybody knows. */
  reach({ number, identity }: Pick<PoolName, 'number' | 'identity'>): boolean {
    // Each look asks the kernel, and the first tells nearly always.
    for (const index of this.pools.get(keyOf({ number, identity }))?.open.keys() ?? [])
      if (ESTABLISHED.includes(this.entries.useOf(index))) return true
    return false
  }

  /** The index of an entry that is not used, for good. */
  lend(): number | undefined {
    return this.unused.pop()
  }

  /** A client is met whose request an earlier relay may have left under way. */
  settle(client: bigint, tell: (end: KernelEnd) => void): void {
    this.orphans.settle(client, tell)
  }

  /**
   * No request meets them from now on; what clients that nobody has accepted yet have under way is
   * finished within that time. Resolves when the last of them has closed: until then the kernel is told.
   */
  async close(withinMs: number): Promise<void> {
    this.closing = true
    const deadline = Date.now() + Math.max(LAST_WORK_MS, withinMs)
    for (const pool of this.pools.values()) this.empty(pool)
    do await sleep(WORK_POLL_MS)
    while (this.all().some(([index]) => this.entries.works(index)) && Date.now() < deadline)
    if (this.open > 0)
      await new Promise<void>((resolve) => {
        this.emptied = resolve
        for (const [, wire] of this.all()) wire.reset()
      })
    this.poolMap.close()
  }

  private all(): [index: number, wire: Wire][] {
    return [...this.pools.values()].flatMap(({ open }) => [...open])
  }

  private add(name: PoolName): Pool {
    this.poolMap.update(poolKey(name.number, name.identity), Buffer.alloc(PoolLayout.bytes))
    const pool = newPool(name)
    this.pools.set(keyOf(name), pool)
    return pool
  }

  /** Its endpoint takes no requests of the group any more. */
  private leave(pool: Pool, group: string): void {
    if (pool.clients.delete(group) && pool.clients.size === 0) pool.most = 0
  }

  /** Nobody's requests go there. As long as the pool is there, its endpoint's number means that endpoint. */
  private empty(pool: Pool): void {
    const { endpoint, identity, open, buried } = pool
    for (const index of open.keys()) {
      if (!buried.has(index)) this.ask.bury(index)
      buried.add(index)
    }
    // Those that were idle leave the pool's list, a few at a time.
    for (let left = 0; left <= open.size; left++) this.ask.take(endpoint, identity)
    if (open.size > 0 || [...this.lingering.values()].includes(pool)) return
    this.poolMap.delete(poolKey(endpoint, identity))
    this.pools.delete(keyOf({ number: endpoint, identity }))
  }

  /**
   * A client keeps the upstream that it used last. From the time on that is buried no request meets it: when
   * it is seen without work later, nothing is under way on it.
   */
  private closeBuried({ buried, open }: Pool): void {
    for (const index of buried) if (!this.entries.works(index)) open.get(index)?.destroy()
  }

  private fit(pool: Pool, now: number): void {
    if (this.closing) return
    const wanted = wantedIn(pool) + pool.buried.size
    while (pool.open.size < wanted && now >= pool.retryAt && this.unused.length > 0) this.connect(pool, now)
    // Only idle ones can be taken out; the others come free in time.
    for (let surplus = pool.open.size - wanted; surplus > 0; surplus--) {
      const index = this.ask.take(pool.endpoint, pool.identity)
      if (index === undefined) return
      pool.open.get(index)?.destroy()
    }
  }

  private connect(pool: Pool, now: number): void {
    const index = this.unused.pop() as number
    this.entries.set(index, upstreamValue(pool.endpoint, pool.identity, pool.place.local))
    const socket = this.opened(index, pool, now)
    const wire: Wire = new Wire(socket, {
      ...NOBODY,
      bytes: (chunk) => this.heard(index, wire, chunk),
      ended: () => wire.destroy(),
    })
    pool.open.set(index, wire)
    socket.on('error', () => {
      pool.retryAt = now + RETRY_MS
    })
    socket.once('close', () => {
      pool.open.delete(index)
      pool.buried.delete(index)
      this.bury(index, pool)
      if (pool.open.size === 0) this.hooks.emptied(pool)
      if (this.open === 0) this.emptied?.()
    })
  }

  /** Throws where the kernel can't be told of it; then nothing of it is left. */
  private opened(index: number, pool: Pool, now: number): Socket {
    try {
      return this.connections.open(index, pool.place)
    } catch (error) {
      pool.retryAt = now + RETRY_MS
      this.release(index)
      throw error
    }
  }

  /** The rest of a response, or what nobody asked for: then the server speaks out of turn. */
  private heard(index: number, wire: Wire, chunk: Buffer): void {
    const value = this.entries.at(index)
    const rest = value && restOf(value)
    if (!rest) {
      wire.reset()
      return
    }
    wire.owner = NOBODY
    this.hooks.rest(value.readBigUInt64LE(fields.client.at), wire, rest)
    wire.owner.bytes(chunk)
  }

  private bury(index: number, pool: Pool): void {
    const value = this.entries.at(index)
    const came = value && !this.closing && !this.broken.delete(index) ? brokenOff(value) : undefined
    if (came !== undefined)
      this.hooks.broke(index, { came, service: value?.readUInt32LE(fields.service.at) ?? 0 })
    const gone = this.ask.bury(index)
    const client = value?.readBigUInt64LE(fields.client.at) ?? 0n
    if (value && client !== 0n) {
      if (value.readUInt32LE(fields.way.at) === Way.WAY_KERNEL) this.tellEnd(client, value)
      this.hooks.over(client)
    }
    // The next relay settles what this one has no time for.
    if (this.closing && value && endOf(value).working) return
    if (gone) this.release(index)
    else this.lingering.set(index, pool)
  }

  private tellEnd(client: bigint, value: Buffer): void {
    const end = endOf(value)
    const remote = (value.readUInt32LE(fields.flags.at) & UpstreamFlag.UPSTREAM_REMOTE) !== 0
    if (!remote || end.working) this.hooks.ended(client, end)
    else setTimeout(() => this.hooks.ended(client, end), SETTLE_MS).unref()
  }

  private release(index: number): void {
    this.lingering.delete(index)
    this.entries.erase(index)
    this.unused.push(index)
  }
}
