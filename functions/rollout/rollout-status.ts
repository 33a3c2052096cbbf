/** What the rollout's state means for the commits in it. */
import type { CommitStatus } from '../../pipelines/contract/commit-status.ts'
import { decide, progress, type RolloutPlan, type RolloutState } from '../../pipelines/rollout.ts'
import { statusOf } from '../statuses.ts'

export function rolloutStatus(
  state: RolloutState,
  plan: RolloutPlan,
): [commit: string, status: CommitStatus][] {
  const statuses: [string, CommitStatus][] = []
  const { superseded, current, revision } = state
  if (superseded !== null && superseded.commit !== current?.commit) {
    const { artifact, number } = superseded
    const description = `release ${number} was cut short by a newer commit`
    statuses.push([
      superseded.commit,
      statusOf('failure', 'superseded', description, { artifact, release: number, revision }),
    ])
  }
  if (current === null) return statuses
  const { artifact, number, commit } = current
  const more = { artifact, release: number, revision, rings: progress(state, plan) }
  const ring = plan.rings[current.at]?.name ?? ''
  switch (current.state) {
    case 'done':
      statuses.push([
        commit,
        statusOf('success', 'done', `release ${number} is enforced in every ring`, more),
      ])
      break
    case 'paused':
      statuses.push([
        commit,
        statusOf('failure', 'rollout', `release ${number} paused: ${reason(state, plan)}`, more),
      ])
      break
    case 'releasing':
    case 'soaking':
      statuses.push([
        commit,
        statusOf('pending', 'rollout', `release ${number} is ${current.state} in ring ${ring}`, more),
      ])
      break
  }
  return statuses
}

function reason(state: RolloutState, plan: RolloutPlan): string {
  const decision = decide(state, plan, 0)
  return decision.kind === 'pause' ? `${decision.node} says ${decision.why}` : 'waiting'
}
