/**
 * Connections past the relay. Where all requests of an identity to a service go to one endpoint on another
 * node, and no route says more, connect() leads there; programs read requests and answers on that connection
 * as on one of the relay's. Here: whose connections these are, and entries of `upstreams` for them.
 */
import {
  DirectLayout,
  Limit,
  PoolLayout,
  PoolName,
  RouteKeyLayout,
  Use,
} from '../../../bpf/abi/heddle.gen.ts'
import { BpfMap } from '../../adapters/libbpf.ts'
import type { Pins } from '../../adapters/pins.ts'
import type { KernelAsk } from './kernel-ask.ts'
import type { KernelClient } from './kernel-clients.ts'
import type { UpstreamEntries } from './upstream-entries.ts'
import { poolKey, upstreamValue } from './upstream-values.ts'

/** Entries ready at first; when all are in use there are twice as many. */
const FIRST_ENTRIES = 64
/** Milliseconds after which a way that was taken out, and whose service has no routes yet, is there again. */
const BACK_MS = 1_000
/** Half of all: the others are the relay's own connections. */
const MAX_ENTRIES = Limit.MAX_UPSTREAMS / 2

export type DirectWay = { endpoint: number; source: Uint8Array | undefined }
/** `missed`: since when the map lacks it. */
type Published = { caller: Caller; way: DirectWay; missed: number | undefined }
type Caller = Pick<KernelClient, 'service' | 'identity'>

const POOL = poolKey(PoolName.POOL_DIRECT, 0)

export class KernelDirect {
  private readonly ways: BpfMap
  private readonly pools: BpfMap
  private readonly ask: KernelAsk
  private readonly entries: UpstreamEntries
  private readonly lend: () => number | undefined
  private readonly now: () => number
  private readonly published = new Map<string, Published>()
  private lent = 0
  private stopped = false

  /** `lend`: the index of an entry that is of no use yet, for good. */
  constructor(
    pins: Pins,
    parts: { ask: KernelAsk; entries: UpstreamEntries; lend: () => number | undefined; now: () => number },
  ) {
    this.ways = BpfMap.pinned(pins.map('direct_ways'))
    this.pools = BpfMap.pinned(pins.map('pools'))
    this.ask = parts.ask
    this.entries = parts.entries
    this.lend = parts.lend
    this.now = parts.now
    // What an earlier relay found may be otherwise by now.
    for (const key of [...this.ways.keys(RouteKeyLayout.bytes, Limit.MAX_POOLS)]) this.ways.delete(key)
    // Entries that are in use come here when their connections end.
    this.pools.update(POOL, Buffer.alloc(PoolLayout.bytes))
  }

  has(caller: Caller): boolean {
    return this.published.has(nameOf(caller))
  }

  /** Undefined = by the relay, from now on; connections that are there stay. */
  set(caller: Caller, way: DirectWay | undefined): void {
    const known = this.published.get(nameOf(caller))
    if (way === undefined || this.stopped) this.withdraw(caller)
    else if (known === undefined || !isSame(known.way, way) || this.isOverdue(caller, known)) {
      if (this.lent === 0) this.grow(FIRST_ENTRIES)
      this.ways.update(keyOf(caller), directValue(way))
      this.published.set(nameOf(caller), { caller, way, missed: undefined })
    }
  }

  private withdraw(caller: Caller): void {
    if (this.published.delete(nameOf(caller))) this.ways.delete(keyOf(caller))
  }

  /** Whether the endpoint can be reached is not known any more. */
  lose({ endpoint, identity }: { endpoint: number; identity: number }): void {
    for (const { caller, way } of this.published.values())
      if (way.endpoint === endpoint && caller.identity === identity) this.withdraw(caller)
  }

  /** The agent takes out what is going to have routes; if these come to nothing, it has to come back. */
  private isOverdue(caller: Caller, known: Published): boolean {
    const there = this.ways.lookup(keyOf(caller), DirectLayout.bytes) !== undefined
    known.missed = there ? undefined : (known.missed ?? this.now())
    return known.missed !== undefined && this.now() - known.missed >= BACK_MS
  }

  /** Some connection found no entry: there are more from now on. */
  sweep(): void {
    if (this.published.size === 0) return
    const pool = this.pools.lookup(POOL, PoolLayout.bytes)
    const head = (pool?.readBigUInt64LE(PoolLayout.fields.head.at) ?? 1n) & 0xffff_ffffn
    if (head === 0n) this.grow(this.lent)
  }

  /** Nobody is led past a relay that stops, while its clients leave one by one. */
  stop(): void {
    this.stopped = true
    for (const { caller } of this.published.values()) this.withdraw(caller)
  }

  close(): void {
    this.ways.close()
    this.pools.close()
  }

  private grow(by: number): void {
    for (let left = Math.min(by, MAX_ENTRIES - this.lent); left > 0; left--) {
      const index = this.lend()
      if (index === undefined) return
      this.entries.set(index, upstreamValue(PoolName.POOL_DIRECT, 0, false, Use.USE_TAKEN))
      this.ask.giveBack(index)
      this.lent++
    }
  }
}

const nameOf = ({ service, identity }: Caller) => `${service}/${identity}`
const isSame = (one: DirectWay, other: DirectWay) => directValue(one).equals(directValue(other))

function keyOf({ service, identity }: Caller): Buffer {
  const key = Buffer.alloc(RouteKeyLayout.bytes)
  key.writeUInt32LE(service, RouteKeyLayout.fields.service.at)
  key.writeUInt32LE(identity, RouteKeyLayout.fields.identity.at)
  return key
}

function directValue({ endpoint, source }: DirectWay): Buffer {
  const value = Buffer.alloc(DirectLayout.bytes)
  value.writeUInt32LE(endpoint, DirectLayout.fields.endpoint.at)
  value.set(source ?? new Uint8Array(DirectLayout.fields.source.bytes), DirectLayout.fields.source.at)
  return value
}
