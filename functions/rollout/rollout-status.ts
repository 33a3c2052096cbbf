/** What the rollout's state means for the commits in it: every end is told, failures above all. */
import type { CommitStatus } from '../../pipelines/contract/commit-status.ts'
import type { RolloutPlan } from '../../pipelines/rollout/plan.ts'
import { progress } from '../../pipelines/rollout/progress.ts'
import type { Ended, RolloutState } from '../../pipelines/rollout/state.ts'
import { statusOf } from '../statuses.ts'

/** Of each commit its latest status; that of a way back is told of the commit that was left. */
export function rolloutStatus(
  state: RolloutState,
  plan: RolloutPlan,
): [commit: string, status: CommitStatus][] {
  const { current, revision } = state
  const statuses = new Map<string, CommitStatus>()
  for (const ended of state.ended) {
    if (ended.kind === 'rollback') continue
    statuses.set(ended.commit, endStatus(ended, revision))
  }
  if (current !== null && current.kind === 'release') {
    statuses.set(current.commit, currentStatus(state, plan))
  }
  return [...statuses]
}

function endStatus({ number, artifact, outcome, ring, why }: Ended, revision: number): CommitStatus {
  const more = { artifact, release: number, revision }
  switch (outcome) {
    case 'done':
      return statusOf('success', 'done', `release ${number} is enforced in every ring`, more)
    case 'superseded':
      return statusOf('failure', 'superseded', `release ${number} was cut short: ${why}`, more)
    case 'rolled-back':
      return statusOf('failure', 'rolled-back', `release ${number} was rolled back in ${ring}: ${why}`, more)
    case 'aborted':
      return statusOf('failure', 'aborted', `release ${number} was taken back in ${ring}: ${why}`, more)
  }
}

function currentStatus(state: RolloutState, plan: RolloutPlan): CommitStatus {
  const { current, revision } = state
  if (current === null) throw new RangeError('there is no rollout')
  const { artifact, number, at, why } = current
  const more = { artifact, release: number, revision, rings: progress(state, plan) }
  const ring = plan.rings[at]?.name ?? ''
  const waits = why === '' ? '' : `: ${why}`
  switch (current.state) {
    case 'done':
      return statusOf('success', 'done', `release ${number} is enforced in every ring`, more)
    case 'paused':
      return statusOf('failure', 'rollout', `release ${number} paused in ring ${ring}${waits}`, more)
    case 'releasing':
    case 'soaking':
      return statusOf(
        'pending',
        'rollout',
        `release ${number} is ${current.state} in ring ${ring}${waits}`,
        more,
      )
  }
}
