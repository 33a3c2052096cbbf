/**
 * The relay's connections to endpoints, which programs hand requests to: one pool for each endpoint and
 * identity, grown with the clients that may use it, shrunk some time after they have gone.
 * The relay moves no byte on them; what it reads there was asked for by nobody.
 */
import type { Socket } from 'node:net'
import {
  Limit,
  PoolKeyLayout,
  PoolLayout,
  ResponseLayout,
  ResponsePhase,
  UpstreamFlag,
  UpstreamLayout,
  Use,
  Work,
} from '../../../bpf/abi/heddle.gen.ts'
import { BpfMap, u32 } from '../../adapters/libbpf.ts'
import type { Pins } from '../../adapters/pins.ts'
import type { KernelAsk } from './kernel-ask.ts'
import type { KernelConnections, Place } from './kernel-connections.ts'

/** Connections of one pool: what one server is asked to hold for one workload's clients. */
const MAX_POOL = 1024
/** Connections ready before a client asks. */
const SPARE = 2
/** Milliseconds before an endpoint that takes no connection is tried again. */
const RETRY_MS = 500
/** Milliseconds that connections wait for clients to come back, as many as there were. */
const KEEP_MS = 30_000

const { fields } = UpstreamLayout
const PHASE_AT = fields.response.at + ResponseLayout.fields.phase.at
const FLAGS_AT = fields.response.at + ResponseLayout.fields.flags.at
/** RESPONSE_CLOSE (bpf/protocols/http1/response.h). */
const CLOSES = 8

/** What ended: the client that had it, and how far its request had come. */
export type UpstreamEnd = {
  client: bigint
  /** A request was with it whose response is not complete. */
  working: boolean
  /** Bytes of that response were handed on. */
  begun: boolean
  /** The response ends where the connection ends, or said that it would. */
  closes: boolean
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
  open: Map<number, Socket>
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
  private readonly ended: (end: UpstreamEnd) => void

  constructor(
    pins: Pins,
    { ask, connections }: { ask: KernelAsk; connections: KernelConnections },
    ended: (end: UpstreamEnd) => void,
  ) {
    this.ask = ask
    this.connections = connections
    this.ended = ended
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
    for (const pool of this.pools.values()) pool.open.get(index)?.resetAndDestroy()
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

  close(): void {
    for (const pool of this.pools.values()) for (const socket of pool.open.values()) socket.resetAndDestroy()
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
    pool.open.set(index, socket)
    socket.on('error', () => {
      pool.retryAt = now + RETRY_MS
    })
    // Nobody asked for what comes here: the server speaks out of turn.
    socket.on('data', () => socket.resetAndDestroy())
    socket.on('end', () => socket.destroy())
    socket.once('close', () => {
      pool.open.delete(index)
      this.buried(index)
    })
  }

  private buried(index: number): void {
    const value = this.upstreams.lookup(u32(index), UpstreamLayout.bytes)
    const gone = this.ask.bury(index)
    if (value) this.tell(value)
    if (gone) this.release(index)
    else this.lingering.add(index)
  }

  private tell(value: Buffer): void {
    const client = value.readBigUInt64LE(fields.client.at)
    if (client === 0n) return
    const phase = value.readUInt8(PHASE_AT)
    this.ended({
      client,
      working: (value.readUInt32LE(fields.work.at) & Work.WORK_RESPONSE) !== 0,
      begun: phase !== ResponsePhase.RESPONSE_START,
      closes: phase === ResponsePhase.RESPONSE_TO_CLOSE || (value.readUInt8(FLAGS_AT) & CLOSES) !== 0,
    })
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
