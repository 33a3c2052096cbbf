/** A service of another node, written as the agent writes it, and the entries of connections that lead there. */
import { u32 } from '../../../agent/adapters/libbpf.ts'
import { UpstreamFlag, UpstreamLayout, Use } from '../../../bpf/abi/heddle.gen.ts'
import type { OutboundFixture } from './outbound-fixture.ts'

/** Of which a test may see every one. */
const ENTRIES = 16_384

export type Place = { host: string; port: number }

/** `first`: its place of `members`. */
export async function writeEndpoint(
  { node }: OutboundFixture,
  { number, port, first }: { number: number; port: number; first: number },
): Promise<void> {
  const { outbound } = node.kernel
  const value = { address: '127.0.0.1', port, local: false, weight: 1 }
  await outbound.write({ map: 'endpoints', number, endpoint: value })
  await outbound.write({ map: 'members', first, endpoints: [number] })
}

/** Its endpoints are `count` from `first` on. */
export async function writeService(
  { node }: OutboundFixture,
  { number, at, first, count }: { number: number; at: Place; first: number; count: number },
): Promise<void> {
  const { outbound } = node.kernel
  await outbound.write({ map: 'services', number, state: { first, count, local: 0, zone: count } })
  await outbound.write({ map: 'service_addresses', address: at.host, port: at.port, service: number })
}

/** Entries of clients' own connections that are in use. */
export function entriesInUse({ node }: OutboundFixture): number {
  const { use, flags, server } = UpstreamLayout.fields
  return node.withMap('upstreams', (map) => {
    let count = 0
    for (let index = 0; index < ENTRIES; index++) {
      const value = map.lookup(u32(index), UpstreamLayout.bytes)
      if (value?.readUInt32LE(use.at) !== Use.USE_TAKEN || value.readBigUInt64LE(server.at) === 0n) continue
      if (value.readUInt32LE(flags.at) & UpstreamFlag.UPSTREAM_DIRECT) count++
    }
    return count
  })
}
