/** What a lane sees of its client side in the kernel's maps. */
import { BpfMap, u32 } from '../../../agent/adapters/libbpf.ts'
import type { Pins } from '../../../agent/adapters/pins.ts'
import {
  ClientLayout,
  ClientReason,
  Hand,
  PoolName,
  UpstreamLayout,
  Use,
} from '../../../bpf/abi/heddle.gen.ts'

/** Indexes of upstreams that are looked at: the relay gives low ones first, and a lane has one caller at a time. */
const LOOKED_AT = 32

export type Ways = { kernel: number; relay: number; unread: number }

export class OutboundLooks {
  private readonly pins: Pins
  private readonly cpus: number

  constructor(pins: Pins, cpus: number) {
    this.pins = pins
    this.cpus = cpus
  }

  /** Endpoints that an upstream waits for. */
  idle(): Set<number> {
    return this.withMap('upstreams', (map) => {
      const values = Array.from({ length: LOOKED_AT }, (_, index) =>
        map.lookup(u32(index), UpstreamLayout.bytes),
      )
      const { use, endpoint } = UpstreamLayout.fields
      const idle = values.filter((value) => value?.readUInt32LE(use.at) === Use.USE_IDLE)
      const endpoints = new Set(idle.map((value) => value?.readUInt32LE(endpoint.at) ?? 0))
      endpoints.delete(PoolName.POOL_DIRECT)
      return endpoints
    })
  }

  /** There is one client at a time. */
  isOffered(): boolean {
    return this.withMap('clients', (map) => {
      const [key] = [...map.keys(8, 2)]
      const hand = key && map.lookup(key, ClientLayout.bytes)?.readUInt32LE(ClientLayout.fields.hand.at)
      return ((hand ?? 0) & Hand.HAND_OFFER) !== 0
    })
  }

  /** Its connection leads past the relay. */
  isDirect(): boolean {
    return this.withMap('clients', (map) =>
      [...map.keys(8, 8)].some((key) => {
        const client = map.lookup(key, ClientLayout.bytes)
        return (client?.readUInt32LE(ClientLayout.fields.direct.at) ?? 0) !== 0
      }),
    )
  }

  /** Some clients' connections are led past the relay from now on. */
  hasDirectWays(): boolean {
    return this.withMap('direct_ways', (map) => [...map.keys(8, 2)].length > 0)
  }

  /** Of the relay's listener; 0 = there is none. */
  port(): number {
    return this.withMap('outbound_port', (map) => map.lookup(u32(0), 4)?.readUInt32LE() ?? 0)
  }

  /** Requests that the kernel took or answered so far, those that it left to the relay, and how many of these for want of a reader. */
  ways(): Ways {
    return this.withMap('client_counters', (map) => {
      const ways = { kernel: 0, relay: 0, unread: 0 }
      for (const [name, reason] of Object.entries(ClientReason)) {
        const value = name === 'CLIENT_REASONS' ? undefined : map.lookup(u32(reason), 8 * this.cpus)
        for (let at = 0; value && at < value.length; at += 8) {
          const count = Number(value.readBigUInt64LE(at))
          ways[name.startsWith('KERNEL_') ? 'kernel' : 'relay'] += count
          if (name === 'SLOW_UNREAD') ways.unread += count
        }
      }
      return ways
    })
  }

  private withMap<T>(
    name: 'clients' | 'upstreams' | 'outbound_port' | 'client_counters' | 'direct_ways',
    use: (map: BpfMap) => T,
  ): T {
    const map = BpfMap.pinned(this.pins.map(name))
    try {
      return use(map)
    } finally {
      map.close()
    }
  }
}
