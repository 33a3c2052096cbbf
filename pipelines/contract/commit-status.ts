/** Commit status: how far a commit has come, for the people who pushed it. */
import { z } from 'zod'
import { Digest } from './artifact.ts'
import { FAILURES, type FailureCode } from './failures.ts'

/** Findings that a commit is told of; who has more begins with these. */
export const MAX_FINDINGS = 1000

/** What is wrong in a policy file, where, and what to write instead. */
export const Finding = z.strictObject({
  file: z.string(),
  line: z.int(),
  column: z.int(),
  code: z.string(),
  message: z.string(),
  hint: z.string(),
  severity: z.enum(['error', 'warning']),
})
export type Finding = z.infer<typeof Finding>

export const RingProgress = z.strictObject({
  ring: z.string(),
  state: z.enum(['waiting', 'releasing', 'soaking', 'paused', 'done']),
  enforced: z.int(),
  nodes: z.int(),
})
export type RingProgress = z.infer<typeof RingProgress>

/** Stages in the order in which a commit passes them; the last five end its way. */
const STAGES = [
  'received',
  'validated',
  'compiled',
  'signed',
  'published',
  'rollout',
  'done',
  'refused',
  'superseded',
  'rolled-back',
  'aborted',
] as const

export const CommitStatus = z.strictObject({
  schema: z.literal('heddle.status/1'),
  state: z.enum(['pending', 'success', 'failure', 'error']),
  stage: z.enum(STAGES),
  description: z.string().max(1024),
  findings: z.array(Finding).max(MAX_FINDINGS),
  artifact: Digest.nullable(),
  release: z.int().nullable(),
  /** Revision of the rollout's state that this tells of; orders statuses of one rollout. */
  revision: z.int().nullable(),
  rings: z.array(RingProgress),
  /** The head that was delivered before and that a forced push took off the branch for this one. */
  replaces: z.string().optional(),
  /** Code of the failure that ended the way, where it was one. */
  code: z.enum(Object.keys(FAILURES) as [FailureCode, ...FailureCode[]]).optional(),
})
export type CommitStatus = z.infer<typeof CommitStatus>

/**
 * Should `next` take the place of `current`? Statuses are posted at least once and in any order, so
 * that the furthest must win: the rollout's word by its revision, then the stage. What ended in an
 * error (not in a refusal) may be tried again.
 */
export function isFurther(next: CommitStatus, current: CommitStatus): boolean {
  if (current.revision !== null) return next.revision !== null && next.revision >= current.revision
  if (next.revision !== null || current.state === 'error') return true
  return STAGES.indexOf(next.stage) >= STAGES.indexOf(current.stage)
}

/** `next` in the place of `current`. That the branch was forced is true of the commit for good. */
export function following(next: CommitStatus, current: CommitStatus | undefined): CommitStatus {
  const replaces = next.replaces ?? current?.replaces
  return replaces === undefined ? next : { ...next, replaces }
}
