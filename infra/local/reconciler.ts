/**
 * Reconciler: webhooks get lost, so the branch's head is compared with what was delivered, at start
 * and on a timer. The same tick lets the director look at its clock and refresh metadata.
 */
import type { Forge, Queue, Statuses } from '../../functions/ports.ts'
import type { CommitStatus } from '../../pipelines/contract/commit-status.ts'

export type ReconcilerPorts = {
  forge: Forge
  statuses: Statuses
  queue: Queue
  branch: string
  log: (line: string) => void
}

/** Stages after which the rollout's state, or nobody, goes on with a commit. A superseded head is head again. */
const TAKEN_CARE_OF = new Set<CommitStatus['stage']>(['rollout', 'done', 'refused', 'rolled-back', 'aborted'])

/** One look. Sending an event for what is under way already changes nothing. */
export async function reconcile({ forge, statuses, queue, branch }: ReconcilerPorts): Promise<void> {
  await queue.send({ stage: 'rollout', cause: { kind: 'tick' } })
  const head = await forge.head(branch)
  if (head === undefined) return
  const status = await statuses.get(head)
  if (status === undefined || !TAKEN_CARE_OF.has(status.stage))
    await queue.send({ stage: 'validate', commit: head })
}

export function reconciler(ports: ReconcilerPorts, everyMs: number): { stop(): void } {
  const look = () => {
    reconcile(ports).catch((error: Error) => ports.log(`reconcile: ${error.message}`))
  }
  const timer = setInterval(look, everyMs)
  look()
  return { stop: () => clearInterval(timer) }
}
