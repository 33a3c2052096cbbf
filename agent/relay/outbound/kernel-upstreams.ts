/**
 * The relay's connections to endpoints, which programs hand requests to: one pool for each endpoint and
 * identity, grown with the clients that may use it, shrunk some time after they have gone.
 * The relay moves no byte on them; what it reads there was asked for by nobody.
 */
import {
  Limit,
  PoolKeyLayout,
  PoolLayout,
  ResponseLayout,
  ResponsePhase,
  UpstreamFlag,
  UpstreamLayout,
  Use,
  Way,
  Work,
} from '../../../bpf/abi/heddle.gen.ts'
import { BpfMap, u32 } from '../../adapters/libbpf.ts'
import type { Pins } from '../../adapters/pins.ts'
import type { KernelAsk } from './kernel-ask.ts'
import type { KernelConnections, Place } from './kernel-connections.ts'
import type { KernelEnd } from './ports.ts'
import type { ResponseRest } from './response-reader.ts'
import { NOBODY, Wire } from './wire.ts'

/** Connections of one pool: what one server is asked to hold for one workload's clients. */
const MAX_POOL = 1024
/** Connections ready before a client asks. */
const SPARE = 2
/** Milliseconds before an endpoint that takes no connection is tried again. */
const RETRY_MS = 500
/** Milliseconds that connections wait for clients to come back, as many as there were. */
const KEEP_MS = 30_000
/**
 * Milliseconds until a client hears that the server on another node has closed behind a whole response: a
 * worker of the kernel brings that response to the client, and an end must not overtake it. Most have closed by then.
 */
const SETTLE_MS = 1_000

const { fields } = UpstreamLayout
const PHASE_AT = fields.response.at + ResponseLayout.fields.phase.at
const FLAGS_AT = fields.response.at + ResponseLayout.fields.flags.at
const REMAINING_AT = fields.response.at + ResponseLayout.fields.remaining.at
const FRAMINGS = new Map<number, ResponseRest['framing']>([
  [ResponsePhase.RESPONSE_BODY, 'length'],
  [ResponsePhase.RESPONSE_CHUNK_DATA, 'chunk'],
  [ResponsePhase.RESPONSE_TO_CLOSE, 'to-close'],
])
/** RESPONSE_CLOSE (bpf/protocols/http1/response.h). */
const CLOSES = 8

/** What the kernel leaves to the relay. */
export type UpstreamHooks = {
  /** An upstream ended that `client` had. */
  ended(client: bigint, end: KernelEnd): void
  /** The rest of the response to `client` comes by `wire`; the hook makes itself its owner. */
  rest(client: bigint, wire: Wire, rest: ResponseRest): void
  /** What `client` may have waited for is over. */
  over(client: bigint): void
}

export type PoolName = { number: number; identity: number; place: Place }

type Pool = {
  endpoint: number
  identity: number
  place: Place
  /** By group of clients. */
  clients: Map<string, number>
  /** Most clients at a time, of late; since when there are fewer. */
  most: number
  since: number
  retryAt: number
  open: Map<number, Wire>
}

export class KernelUpstreams {
  private readonly ask: KernelAsk
  private readonly connections: KernelConnections
  private readonly upstreams: BpfMap
  private readonly poolMap: BpfMap
  private readonly pools = new Map<string, Pool>()
  private readonly unused: number[]
  /** Closed, and still in their pool's list. */
  private readonly lingering = new Set<number>()
  private readonly hooks: UpstreamHooks
  private emptied: (() => void) | undefined
  private closing = false

  constructor(
    pins: Pins,
    { ask, connections }: { ask: KernelAsk; connections: KernelConnections },
    hooks: UpstreamHooks,
  ) {
    this.ask = ask
    this.connections = connections
    this.hooks = hooks
    this.upstreams = BpfMap.pinned(pins.map('upstreams'))
    this.poolMap = BpfMap.pinned(pins.map('pools'))
    // What a killed relay left: its connections went with it.
    for (const key of [...this.poolMap.keys(PoolKeyLayout.bytes, Limit.MAX_POOLS)]) this.poolMap.delete(key)
    const indexes = Array.from({ length: Limit.MAX_UPSTREAMS }, (_, index) => Limit.MAX_UPSTREAMS - 1 - index)
    for (const index of indexes) if (this.useOf(index) !== Use.USE_NONE) this.erase(index)
    this.unused = indexes
  }

  get open(): number {
    let count = 0
    for (const pool of this.pools.values()) count += pool.open.size
    return count
  }

  /** Clients of a group that may send requests of `identity` to the endpoint: so many connections are kept. */
  want(at: PoolName, { group, count }: { group: string; count: number }, now: number): void {
    const key = `${at.number}/${at.identity}`
    const pool = this.pools.get(key) ?? this.newPool(at)
    this.pools.set(key, pool)
    pool.place = at.place
    if (count === 0) pool.clients.delete(group)
    else pool.clients.set(group, count)
    const clients = clientsOf(pool)
    if (clients >= pool.most) {
      pool.most = clients
      pool.since = now
    }
    this.fit(pool, now)
  }

  /** Ends those of an index that must not go on: its client broke off, or can't be followed. */
  end(index: number): void {
    this.wire(index)?.reset()
  }

  wire(index: number): Wire | undefined {
    for (const pool of this.pools.values()) {
      const found = pool.open.get(index)
      if (found) return found
    }
    return undefined
  }

  /** Every now and then: surplus goes, what is missing comes, indexes come free. */
  sweep(now: number): void {
    for (const index of this.lingering) if (this.ask.bury(index)) this.release(index)
    for (const pool of this.pools.values()) {
      if (now - pool.since >= KEEP_MS) {
        pool.most = clientsOf(pool)
        pool.since = now
      }
      this.fit(pool, now)
    }
  }

  /** Resolves when the last of them has closed: until then the kernel is told. */
  async close(): Promise<void> {
    this.closing = true
    const wires = [...this.pools.values()].flatMap((pool) => [...pool.open.values()])
    if (wires.length > 0)
      await new Promise<void>((resolve) => {
        this.emptied = resolve
        for (const wire of wires) wire.reset()
      })
    for (const map of [this.upstreams, this.poolMap]) map.close()
  }

  private newPool({ number: endpoint, place, identity }: PoolName): Pool {
    this.poolMap.update(poolKey(endpoint, identity), Buffer.alloc(PoolLayout.bytes))
    return {
      endpoint,
      identity,
      place,
      clients: new Map(),
      most: 0,
      since: 0,
      retryAt: 0,
      open: new Map(),
    }
  }

  private fit(pool: Pool, now: number): void {
    if (this.closing) return
    const wanted = wantedIn(pool)
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
    this.upstreams.update(u32(index), upstreamValue(pool))
    const socket = this.connections.open(index, pool.place)
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
      this.bury(index)
      if (this.open === 0) this.emptied?.()
    })
  }

  /** The rest of a response, or what nobody asked for: then the server speaks out of turn. */
  private heard(index: number, wire: Wire, chunk: Buffer): void {
    const value = this.upstreams.lookup(u32(index), UpstreamLayout.bytes)
    const rest = value && restOf(value)
    if (!rest) {
      wire.reset()
      return
    }
    this.hooks.rest(value.readBigUInt64LE(fields.client.at), wire, rest)
    wire.owner.bytes(chunk)
  }

  private bury(index: number): void {
    const value = this.upstreams.lookup(u32(index), UpstreamLayout.bytes)
    const gone = this.ask.bury(index)
    const client = value?.readBigUInt64LE(fields.client.at) ?? 0n
    if (value && client !== 0n) {
      if (value.readUInt32LE(fields.way.at) === Way.WAY_KERNEL) this.tellEnd(client, value)
      this.hooks.over(client)
    }
    if (gone) this.release(index)
    else this.lingering.add(index)
  }

  private tellEnd(client: bigint, value: Buffer): void {
    const end = endOf(value)
    const remote = (value.readUInt32LE(fields.flags.at) & UpstreamFlag.UPSTREAM_REMOTE) !== 0
    if (!remote || end.working) this.hooks.ended(client, end)
    else setTimeout(() => this.hooks.ended(client, end), SETTLE_MS).unref()
  }

  private release(index: number): void {
    this.lingering.delete(index)
    this.erase(index)
    this.unused.push(index)
  }

  private useOf(index: number): number {
    return (
      this.upstreams.lookup(u32(index), UpstreamLayout.bytes)?.readUInt32LE(fields.use.at) ?? Use.USE_NONE
    )
  }

  private erase(index: number): void {
    this.upstreams.update(u32(index), Buffer.alloc(UpstreamLayout.bytes))
  }
}

function endOf(value: Buffer): KernelEnd {
  const phase = value.readUInt8(PHASE_AT)
  return {
    working: (value.readUInt32LE(fields.work.at) & Work.WORK_RESPONSE) !== 0,
    begun: phase !== ResponsePhase.RESPONSE_START,
    closes: phase === ResponsePhase.RESPONSE_TO_CLOSE || (value.readUInt8(FLAGS_AT) & CLOSES) !== 0,
  }
}

/** Undefined = what comes is no rest of a response. */
function restOf(value: Buffer): ResponseRest | undefined {
  if (value.readUInt32LE(fields.way.at) !== Way.WAY_RELAY) return undefined
  const framing = FRAMINGS.get(value.readUInt8(PHASE_AT))
  return framing && { framing, remaining: Number(value.readBigUInt64LE(REMAINING_AT)) }
}

function clientsOf({ clients }: Pool): number {
  return [...clients.values()].reduce((sum, each) => sum + each, 0)
}

function wantedIn({ most }: Pool): number {
  return most === 0 ? 0 : Math.min(MAX_POOL, most + SPARE)
}

function poolKey(endpoint: number, identity: number): Buffer {
  const key = Buffer.alloc(PoolKeyLayout.bytes)
  key.writeUInt32LE(endpoint, PoolKeyLayout.fields.endpoint.at)
  key.writeUInt32LE(identity, PoolKeyLayout.fields.identity.at)
  return key
}

function upstreamValue({ endpoint, identity, place }: Pool): Buffer {
  const value = Buffer.alloc(UpstreamLayout.bytes)
  value.writeUInt32LE(Use.USE_OPENING, fields.use.at)
  if (!place.local) value.writeUInt32LE(UpstreamFlag.UPSTREAM_REMOTE, fields.flags.at)
  value.writeUInt32LE(endpoint, fields.endpoint.at)
  value.writeUInt32LE(identity, fields.identity.at)
  return value
}
