import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { statusOf } from '../../../../functions/statuses.ts'
import { reconcile } from '../../../../infra/local/reconciler.ts'
import type { CommitStatus } from '../../../../pipelines/contract/commit-status.ts'
import type { DeliveryEvent } from '../../../../pipelines/contract/events.ts'
import { memoryForge, memoryStatuses } from '../../../fakes/memory-forge.ts'

/** What a look at a head with this status sends, without the director's tick. */
async function look(status: CommitStatus | undefined): Promise<DeliveryEvent[]> {
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
  await reconcile({ forge, statuses, queue, branch: 'main', log: () => {} })
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
  ]
  for (const [what, status, delivers] of rows) {
    it(`${delivers ? 'delivers' : 'leaves'} a head ${what}`, async () => {
      assert.equal((await look(status)).length, delivers ? 1 : 0)
    })
  }
})
