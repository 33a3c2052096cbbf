/** Questions and what follows from each answer, in the words of heddle.h. */
import { Comb } from './comb.ts'
import type { ValueClasses } from './dimensions.ts'
import { LEAF } from './layout.ts'

/** Node number, or LEAF | leaf number. */
export type Next = number
/** A question: the class of `dim`. Nodes that it leads to have smaller numbers. */
export type Node = {
  readonly dim: number
  readonly otherwise: Next
  readonly cases: readonly (readonly [number, Next])[]
}
export type PackedDiagram = {
  readonly words: Uint32Array
  /** Where a `next` stands in the words. */
  place(next: Next): number
}

export function packDiagram(nodes: readonly Node[], classes: readonly ValueClasses[]): PackedDiagram {
  const comb = new Comb(1)
  const places: number[] = []
  const place = (next: Next): number => (next >= LEAF ? next : (places[next] as number))
  const widthAt = (node: number): number => (classes[(nodes[node] as Node).dim] as ValueClasses).count
  // Children have smaller numbers, so their places are known. A node that probes
  // another's header would take a default next that is its own index for an owner.
  for (const { dim, otherwise, cases } of nodes) {
    const child = place(otherwise)
    const reach = child >= LEAF ? 0 : widthAt(otherwise)
    const offsets = cases.map(([value]) => value)
    const index = comb.place(1, offsets, (at) => at <= child || at > child + reach)
    comb.set(index, child, dim)
    for (const [value, next] of cases) comb.set(index + 1 + value, index, place(next))
    places.push(index)
  }
  const widest = Math.max(0, ...classes.map(({ count }) => count))
  return { words: comb.copy(0, comb.end + 1 + widest), place }
}
