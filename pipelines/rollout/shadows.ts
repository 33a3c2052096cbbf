/** Shadows: what a release would do in the ring that has not taken it yet. Pure. */
import type { ShadowSample } from '../contract/release.ts'
import type { Ring, RolloutPlan } from './plan.ts'
import type { Current, RolloutState } from './state.ts'

/** The ring that is next for the release and runs something to compare it with; undefined = there is none. */
export function shadowRing(
  { current, released, succeeded }: RolloutState,
  plan: RolloutPlan,
): Ring | undefined {
  if (current === null || current.kind !== 'release' || current.state === 'done') return undefined
  const ring = plan.rings[current.at]
  if (ring === undefined || succeeded[ring.name] === undefined) return undefined
  return released[ring.name]?.number === current.number ? undefined : ring
}

export type ShadowSum = {
  compared: number
  newDenies: number
  unintended: number
  newAllows: number
  samples: ShadowSample[]
}

/** What the ring's nodes have found of this very release. */
export function shadowSum({ nodes }: RolloutState, ring: Ring, current: Current): ShadowSum {
  const sum: ShadowSum = { compared: 0, newDenies: 0, unintended: 0, newAllows: 0, samples: [] }
  for (const node of ring.nodes) {
    const shadow = nodes[node]?.shadow
    if (shadow == null || shadow.number !== current.number || shadow.artifact !== current.artifact) continue
    sum.compared += shadow.agree + shadow.newDenies + shadow.newAllows + shadow.other
    sum.newDenies += shadow.newDenies
    sum.unintended += shadow.unintended
    sum.newAllows += shadow.newAllows
    sum.samples.push(...shadow.samples)
  }
  return sum
}
