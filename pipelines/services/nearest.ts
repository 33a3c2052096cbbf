/** In which order a service's endpoints stand: this node's first, then its zone's, then any. */
import { parseAddress } from '../policy/address.ts'
import type { Endpoint } from './model.ts'

/** The node that asks. */
export type Here = { node: string; zone: string | null }
/** `local` of them are on this node, `zone` on it or in its zone: always the first ones. */
export type Ordered = { endpoints: Endpoint[]; local: number; zone: number }

/** The same set gives the same order whatever order it came in: a run is rewritten only for a reason. */
export function nearestFirst(endpoints: readonly Endpoint[], here: Here): Ordered {
  const ranked = endpoints
    .map((endpoint) => ({ endpoint, rank: rankOf(endpoint, here), key: sortKey(endpoint) }))
    .sort((a, b) => a.rank - b.rank || (a.key < b.key ? -1 : 1))
  const within = (rank: number) => ranked.filter((each) => each.rank <= rank).length
  return { endpoints: ranked.map(({ endpoint }) => endpoint), local: within(0), zone: within(1) }
}

/** An endpoint without a zone, or a node without one, is near nobody. */
function rankOf({ node, zone }: Endpoint, here: Here): 0 | 1 | 2 {
  if (node === here.node) return 0
  return zone !== null && zone === here.zone ? 1 : 2
}

function sortKey({ address, port }: Endpoint): string {
  return `${addressKey(address)}:${String(port).padStart(5, '0')}`
}

/** One spelling for an address, however it was written; what is no address stays as it is. */
export function addressKey(text: string): string {
  const bytes = parseAddress(text)
  if (bytes === undefined) return text
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
