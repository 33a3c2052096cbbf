/** Endpoints get numbers: one for each address and port, also when several services have it. Pure. */
import { Limit } from '../bpf/abi/heddle.gen.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import { addressKey } from '../pipelines/services/nearest.ts'
import type { EndpointEntry } from './ports.ts'

/**
 * A number for each wished endpoint: the one that it has, else one that the kernel gives no meaning.
 * Numbers begin at 1: an empty place of a run names endpoint 0, which is nowhere. Two services that
 * give one address different weights have two numbers for it. Throws Failure('limit-exceeded').
 */
export function numberEndpoints(
  held: ReadonlyMap<number, EndpointEntry>,
  wished: Iterable<EndpointEntry>,
): Map<string, number> {
  const numbers = new Map<string, number>()
  const missing = new Map<string, EndpointEntry>()
  const spare = new Map<string, number[]>()
  for (const entry of wished) missing.set(endpointKey(entry), entry)
  for (const [number, entry] of [...held].sort(([a], [b]) => a - b)) {
    const key = endpointKey(entry)
    if (missing.delete(key)) numbers.set(key, number)
    else spare.set(place(entry), [...(spare.get(place(entry)) ?? []), number])
  }
  let next = 1
  for (const [key, entry] of missing) {
    // The same place with another weight: its pooled connections stay.
    const same = spare.get(place(entry))?.shift()
    if (same === undefined) {
      while (held.has(next)) next++
      if (next >= Limit.MAX_ENDPOINTS) {
        const message = `more than ${Limit.MAX_ENDPOINTS - 1} endpoints, with those that are still in use`
        throw new Failure('limit-exceeded', message)
      }
    }
    numbers.set(key, same ?? next++)
  }
  return numbers
}

export function endpointKey(entry: Pick<EndpointEntry, 'address' | 'port' | 'weight'>): string {
  return `${place(entry)}*${entry.weight}`
}

function place({ address, port }: Pick<EndpointEntry, 'address' | 'port'>): string {
  return `${addressKey(address)}:${port}`
}
