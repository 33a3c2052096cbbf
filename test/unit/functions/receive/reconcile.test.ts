import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { failureStatus, statusOf } from '../../../../functions/statuses.ts'
import { NO_PULLS } from '../../../../functions/no-forge.ts'
import { storedPlans } from '../../../../functions/plans.ts'
import type { Pulls } from '../../../../functions/ports.ts'
import { reconcile } from '../../../../functions/receive/reconcile.ts'
import type { CommitStatus } from '../../../../pipelines/contract/commit-status.ts'
import type { DeliveryEvent } from '../../../../pipelines/contract/events.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { memoryForge, memoryStatuses } from '../../../fakes/memory-forge.ts'
import { memoryStore } from '../../../fakes/memory-store.ts'

/** What a look at a head with this status sends, without the director's tick. */
async function look(status: CommitStatus | undefined, pulls: Pulls = NO_PULLS): Promise<DeliveryEvent[]> {
  const forge = memoryForge()
  const statuses = memoryStatuses()
  const commit = forge.commit({})
  forge.push(commit)
  if (status !== undefined) await statuses.post(commit, status)
  const sent: DeliveryEvent[] = []
  const queue = {
    send: async (event: DeliveryEvent) => {
      sent.push(event)
    },
  }
  const plans = storedPlans({ store: memoryStore(), pulls, queue })
  await reconcile({ forge, pulls, statuses, plans, queue, branch: 'main' })
  return sent.filter(({ stage }) => stage !== 'rollout')
}

describe('reconciler', () => {
  const rows: [string, CommitStatus | undefined, boolean][] = [
    ['that nobody has seen, because its webhook was lost', undefined, true],
    ['that was lost on its way', statusOf('pending', 'compiled', ''), true],
    ['that is head again after it was superseded', statusOf('failure', 'superseded', ''), true],
    ['in its rollout', statusOf('pending', 'rollout', '', { revision: 1 }), false],
    ['that is done', statusOf('success', 'done', '', { revision: 2 }), false],
    ['that was refused', statusOf('failure', 'refused', ''), false],
    ['that ran out of tries', failureStatus(new Failure('delivery-exhausted', '')), true],
    ['at which something broke', failureStatus(new Failure('compiler-failed', '')), false],
  ]
  for (const [what, status, delivers] of rows) {
    it(`${delivers ? 'delivers' : 'leaves'} a head ${what}`, async () => {
      assert.equal((await look(status)).length, delivers ? 1 : 0)
    })
  }

  it('plans an open pull request whose webhook was lost, and not the one that has its plan', async () => {
    const commit = 'a'.repeat(40)
    const one = { number: 7, commit, branch: 'main', open: true, merged: false }
    const sent = await look(statusOf('success', 'done', ''), { ...NO_PULLS, open: async () => [one] })
    assert.deepEqual(sent, [{ stage: 'validate', commit, pull: 7 }])
  })
})
