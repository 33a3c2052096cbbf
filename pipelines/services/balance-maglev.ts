/**
 * Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4): a table in which every endpoint has as many places
 * as its share, and in which an endpoint that comes or goes moves few of the others' places.
 */
import { hashText } from './balance-hash.ts'

/** Primes. A hundred places for an endpoint keep shares within 1 % (section 5.3). */
const SIZES = [251, 1_021, 4_093, 16_381, 65_521] as const
const PLACES_EACH = 100

export type MaglevEndpoint = { name: string; weight: number }

/** How large a table for so many endpoints is. */
export function maglevSize(endpoints: number): number {
  return SIZES.find((size) => size >= PLACES_EACH * endpoints) ?? SIZES[4]
}

/** Place -> index of the endpoint. Empty when none takes requests. The order of endpoints does not matter. */
export function maglevTable(endpoints: readonly MaglevEndpoint[], size: number): number[] {
  const heaviest = endpoints.reduce((most, { weight }) => Math.max(most, weight), 0)
  if (heaviest === 0) return []
  const rows = endpoints
    .map(({ name, weight }, index) => ({ index, name, weight, given: 0, ...permutation(name, size) }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const table = new Array<number>(size).fill(-1)
  let filled = 0
  for (let round = 1; ; round++) {
    for (const row of rows) {
      // As often as its weight compares to the heaviest one's.
      if (row.given >= (round * row.weight) / heaviest) continue
      row.given++
      while (table[row.at] !== -1) row.at = (row.at + row.skip) % size
      table[row.at] = row.index
      if (++filled === size) return table
    }
  }
}

/** Every place once, in an order of its own: `size` is prime. */
function permutation(name: string, size: number): { at: number; skip: number } {
  return { at: hashText(name, 1) % size, skip: 1 + (hashText(name, 2) % (size - 1)) }
}
