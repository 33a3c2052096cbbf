/** How far each ring is, for the commit's status and for people who watch. */
import type { RingProgress } from '../contract/commit-status.ts'
import type { RolloutPlan } from './plan.ts'
import { enforces, type RolloutState } from './state.ts'

export function progress({ current, nodes }: RolloutState, plan: RolloutPlan): RingProgress[] {
  if (current === null) return []
  return plan.rings.map((ring, index) => ({
    ring: ring.name,
    state:
      index < current.at || (current.state === 'done' && index === current.at)
        ? 'done'
        : index > current.at
          ? 'waiting'
          : current.state,
    enforced: ring.nodes.filter((node) => enforces(nodes[node], current.number)).length,
    nodes: ring.nodes.length,
  }))
}
