/** Statuses as the stages post them. */
import type { CommitStatus } from '../pipelines/contract/commit-status.ts'
import type { Failure } from '../pipelines/contract/failures.ts'
import type { Queue, Statuses } from './ports.ts'

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

/**
 * The same statuses, each of which is also shown on the forge: later, by the stage post, so that a
 * forge that is away holds nothing up. Kept first, then announced: whoever dies in between is asked again.
 */
export function announced(statuses: Statuses, queue: Queue): Statuses {
  return {
    get: (commit) => statuses.get(commit),
    async post(commit, status) {
      await statuses.post(commit, status)
      await queue.send({ stage: 'post', subject: { kind: 'status', commit } })
    },
  }
}

/** A failure's message may begin with the place that it speaks of. */
const LOCATED = /^([^:\s]+\.ya?ml):(\d+):(\d+): (.*)$/s

/** Every end of a commit's way is told: a failure that is only logged leaves people waiting. */
export function failureStatus(failure: Failure): CommitStatus {
  const state = failure.disposition === 'reject' ? 'failure' : 'error'
  const hint = failure.detail.join('\n')
  const [, file, line, column, message] = LOCATED.exec(failure.message) ?? []
  if (file === undefined || message === undefined) {
    const description = `${failure.code}: ${failure.message}${hint === '' ? '' : `\n${hint}`}`
    return statusOf(state, 'refused', description, { code: failure.code })
  }
  const place = { file, line: Number(line), column: Number(column) }
  const finding = { ...place, code: failure.code, message, hint, severity: 'error' as const }
  return statusOf(state, 'refused', '1 error; nothing is published, nodes keep what they run', {
    findings: [finding],
    code: failure.code,
  })
}
