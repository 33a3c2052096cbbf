/** The newest plan of each pull request: kept in the store, shown on the forge by the stage post. */
import { canonicalJson, type Json } from '../pipelines/contract/canonical-json.ts'
import type { CommitStatus } from '../pipelines/contract/commit-status.ts'
import { planKey } from '../pipelines/contract/object-keys.ts'
import { PlanRecord } from '../pipelines/contract/plan-record.ts'
import type { ObjectStore, Pulls, Queue } from './ports.ts'

/** Bytes: 1,000 findings and 1,000 named changes and effects are a tenth of it. */
const MAX_RECORD_BYTES = 16 * 1024 * 1024

export interface Plans {
  get(pull: number): Promise<PlanRecord | undefined>
  /** Keeps and announces it, unless the pull request has gone on. Throws Failure('store-conflict' | 'forge-unavailable'). */
  keep(record: PlanRecord): Promise<void>
}

export function storedPlans(ports: { store: ObjectStore; pulls: Pulls; queue: Queue }): Plans {
  const { store, pulls, queue } = ports
  return {
    async get(pull) {
      const object = await store.get(planKey(pull), MAX_RECORD_BYTES)
      return object && PlanRecord.parse(JSON.parse(Buffer.from(object.bytes).toString('utf8')))
    },
    async keep(record) {
      const key = planKey(record.pull)
      // Read before the forge is asked: a newer plan that is written after that makes this write a conflict.
      const before = await store.get(key, MAX_RECORD_BYTES)
      if ((await pulls.pull(record.pull))?.commit !== record.commit) return
      const bytes = Buffer.from(canonicalJson(record as Json))
      if (before === undefined || !bytes.equals(before.bytes)) {
        await store.replace(key, new Uint8Array(bytes), before?.version)
      }
      await queue.send({ stage: 'post', subject: { kind: 'plan', pull: record.pull } })
    },
  }
}

/** The plan of a commit that came to no plan. */
export function refusedPlan(
  { pull, commit }: { pull: number; commit: string },
  { state, description, findings }: Pick<CommitStatus, 'state' | 'description' | 'findings'>,
): PlanRecord {
  const ended = state === 'failure' ? 'failure' : 'error'
  const nothing = { against: null, plan: null }
  return { schema: 'heddle.plan/1', pull, commit, state: ended, description, findings, ...nothing }
}
