/** Rings by labels of nodes: a node belongs to the first ring whose labels it has. Pure. */
import { z } from 'zod'
import { NodeName } from '../contract/release.ts'
import { Ring } from './plan.ts'

const Labels = z.record(z.string().min(1).max(253), z.string().max(253))

/** A node of the fleet, as its operators describe it. */
export const FleetNode = z.strictObject({ name: NodeName, labels: Labels })
export type FleetNode = z.infer<typeof FleetNode>

/** A ring that says its nodes, or which labels they have: `{}` = all that no ring before took. */
export const RingChoice = z.union([Ring, Ring.omit({ nodes: true }).extend({ match: Labels })])
export type RingChoice = z.infer<typeof RingChoice>

/** Every ring with its nodes. Throws a RangeError that names a node which is in no ring, or in two. */
export function ringsOf(choices: readonly RingChoice[], fleet: readonly FleetNode[]): Ring[] {
  const taken = new Set<string>()
  const rings = choices.map((choice): Ring => {
    const nodes = 'nodes' in choice ? choice.nodes : matching(choice.match, fleet, taken)
    for (const node of nodes) {
      if (taken.has(node)) throw new RangeError(`node ${node} is in two rings, ${choice.name} is the second`)
      taken.add(node)
    }
    if ('nodes' in choice) return choice
    const { match: _, ...ring } = choice
    return { ...ring, nodes }
  })
  const left = fleet.find(({ name }) => !taken.has(name))
  if (left !== undefined)
    throw new RangeError(`node ${left.name} is in no ring: end with one that matches {}`)
  return rings
}

function matching(match: Record<string, string>, fleet: readonly FleetNode[], taken: Set<string>): string[] {
  const wanted = Object.entries(match)
  return fleet
    .filter(({ name, labels }) => !taken.has(name) && wanted.every(([key, value]) => labels[key] === value))
    .map(({ name }) => name)
}
