/** Statuses as the stages post them. */
import type { CommitStatus } from '../pipelines/contract/commit-status.ts'
import type { Failure } from '../pipelines/contract/failures.ts'

const MAX_DESCRIPTION = 1024

export function statusOf(
  state: CommitStatus['state'],
  stage: CommitStatus['stage'],
  description: string,
  more: Partial<CommitStatus> = {},
): CommitStatus {
  return {
    schema: 'heddle.status/1',
    state,
    stage,
    description: description.slice(0, MAX_DESCRIPTION),
    findings: [],
    artifact: null,
    release: null,
    revision: null,
    rings: [],
    ...more,
  }
}

/** Every end of a commit's way is told: a failure that is only logged leaves people waiting. */
export function failureStatus(failure: Failure): CommitStatus {
  const state = failure.disposition === 'reject' ? 'failure' : 'error'
  const detail = failure.detail.length === 0 ? '' : `\n${failure.detail.join('\n')}`
  return statusOf(state, 'refused', `${failure.code}: ${failure.message}${detail}`)
}
