/**
 * Reconcile: webhooks get lost, so heads are compared with what was done about them, on a schedule. The
 * same look lets the director see its clock and refresh metadata.
 */
import type { CommitStatus } from '../../pipelines/contract/commit-status.ts'
import type { Plans } from '../plans.ts'
import type { Forge, Pulls, Queue, Statuses } from '../ports.ts'

export type ReconcilePorts = {
  forge: Forge
  pulls: Pulls
  statuses: Statuses
  plans: Plans
  queue: Queue
  branch: string
}

/** Stages after which the rollout's state, or nobody, goes on with a commit. A superseded head is head again. */
const TAKEN_CARE_OF = new Set<CommitStatus['stage']>(['rollout', 'done', 'refused', 'rolled-back', 'aborted'])

/** One look. Sending an event for what is under way already changes nothing. */
export async function reconcile(ports: ReconcilePorts): Promise<void> {
  await ports.queue.send({ stage: 'rollout', cause: { kind: 'tick' } })
  await reconcileHead(ports)
  await reconcilePulls(ports)
}

async function reconcileHead({ forge, statuses, queue, branch }: ReconcilePorts): Promise<void> {
  const head = await forge.head(branch)
  if (head === undefined) return
  const status = await statuses.get(head)
  // What only ran out of tries (a forge that was away for longer) is no refusal.
  const cared =
    status !== undefined && TAKEN_CARE_OF.has(status.stage) && status.code !== 'delivery-exhausted'
  if (!cared) await queue.send({ stage: 'validate', commit: head })
}

async function reconcilePulls({ pulls, plans, queue, branch }: ReconcilePorts): Promise<void> {
  for (const { number, commit } of await pulls.open(branch)) {
    if ((await plans.get(number))?.commit !== commit)
      await queue.send({ stage: 'validate', commit, pull: number })
  }
}
