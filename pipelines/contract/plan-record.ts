/** What is known of a pull request's newest commit: the object that posts are made from. */
import { z } from 'zod'
import { Plan } from '../policy/plan.ts'
import { Finding, MAX_FINDINGS } from './commit-status.ts'
import { Commit, PullNumber } from './events.ts'

export const PlanRecord = z.strictObject({
  schema: z.literal('heddle.plan/1'),
  pull: PullNumber,
  commit: Commit,
  /** failure: it would be refused. error: something on our side ended it. */
  state: z.enum(['success', 'failure', 'error']),
  description: z.string().max(1024),
  findings: z.array(Finding).max(MAX_FINDINGS),
  /** What it was compared with; `behind` = the branch has gone on since the pull request left it. */
  against: z.strictObject({ commit: Commit, behind: z.boolean() }).nullable(),
  plan: Plan.nullable(),
})
export type PlanRecord = z.infer<typeof PlanRecord>
