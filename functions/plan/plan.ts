/** Plan: a checked pull request → what would change if it were merged. It reads, compares and keeps; it publishes nothing. */
import type { CommitStatus } from '../../pipelines/contract/commit-status.ts'
import type { EventOf } from '../../pipelines/contract/events.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { PlanRecord } from '../../pipelines/contract/plan-record.ts'
import { Checked } from '../../pipelines/contract/validated.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { planOf } from '../../pipelines/policy/plan.ts'
import { getJson } from '../blobs.ts'
import { type Plans, refusedPlan } from '../plans.ts'
import type { ObjectStore, TableBuilder } from '../ports.ts'
import { failureStatus } from '../statuses.ts'

/** Tables are all that is of this commit in a program: whether they fit is known without a compiler. */
export type PlanPorts = { store: ObjectStore; tables: TableBuilder; plans: Plans }

/** Throws Failure('artifact-missing' | 'store-unavailable' | 'forge-unavailable' | 'work-interrupted'). */
export async function plan(ports: PlanPorts, event: EventOf<'plan'>): Promise<void> {
  const { set, findings, base } = await getJson(ports.store, event.checked, Checked)
  if (set === null) {
    const errors = findings.filter(({ severity }) => severity === 'error').length
    const description = `${errors} ${errors === 1 ? 'error' : 'errors'}; it would be refused`
    return ports.plans.keep(refusedPlan(event, { state: 'failure', description, findings }))
  }
  const words = await tableWords(ports.tables, set)
  if (typeof words !== 'number') {
    return ports.plans.keep(refusedPlan(event, { ...words, findings: [...findings, ...words.findings] }))
  }
  await ports.plans.keep({
    schema: 'heddle.plan/1',
    pull: event.pull,
    commit: event.commit,
    state: 'success',
    description: `${set.policies.length + set.routes.length} policies are valid, ${words} words of tables`,
    findings,
    against: base && { commit: base.commit, behind: base.behind },
    plan: base === null || base.set === null ? null : planOf(base.set, set),
  } satisfies PlanRecord)
}

/** Words of the tables; or why there are none, which delivery would say as well. Nothing of them is kept. */
async function tableWords(tables: TableBuilder, set: PolicySet): Promise<number | CommitStatus> {
  try {
    return (await tables.build(set)).words
  } catch (error) {
    if (!(error instanceof Failure) || error.disposition !== 'reject') throw error
    return failureStatus(error)
  }
}
