/** What every keeper of commit statuses promises: the furthest word stays, whatever order they come in. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Statuses } from '../../functions/ports.ts'
import { failureStatus, statusOf } from '../../functions/statuses.ts'
import { Failure } from '../../pipelines/contract/failures.ts'

const SEED = 20261123
const COMMIT = 'c'.repeat(40)

/** A commit's way, as it happens. */
const WAY = [
  statusOf('pending', 'validated', 'valid'),
  statusOf('pending', 'compiled', 'compiled'),
  statusOf('pending', 'published', 'published'),
  statusOf('pending', 'rollout', 'ring 0', { revision: 3 }),
  statusOf('failure', 'rollout', 'paused', { revision: 4 }),
  statusOf('success', 'done', 'everywhere', { revision: 7 }),
]

export function statusesContract(name: string, empty: () => Promise<Statuses>): void {
  describe(`statuses contract: ${name}`, () => {
    it('has nothing of a commit that nobody spoke of', async () => {
      assert.equal(await (await empty()).get(COMMIT), undefined)
    })

    it('ends with the furthest status in whatever order, however often they are posted', async () => {
      const posts = fc.shuffledSubarray([...WAY, ...WAY], { minLength: WAY.length * 2 })
      await fc.assert(
        fc.asyncProperty(posts, async (statuses) => {
          const kept = await empty()
          for (const status of statuses) await kept.post(COMMIT, status)
          assert.deepEqual(await kept.get(COMMIT), WAY.at(-1))
        }),
        { seed: SEED, numRuns: 10 },
      )
    })

    it('keeps statuses of commits apart', async () => {
      const kept = await empty()
      await kept.post(COMMIT, statusOf('pending', 'validated', 'one'))
      await kept.post('d'.repeat(40), statusOf('success', 'done', 'other'))
      assert.equal((await kept.get(COMMIT))?.description, 'one')
    })

    it('lets a commit that ended in an error, not in a refusal, be tried again', async () => {
      const again = statusOf('pending', 'validated', 'again')
      const ends: [ConstructorParameters<typeof Failure>[0], string][] = [
        ['delivery-exhausted', 'validated'],
        ['expression-invalid', 'refused'],
      ]
      for (const [code, stage] of ends) {
        const kept = await empty()
        await kept.post(COMMIT, failureStatus(new Failure(code, 'reason')))
        await kept.post(COMMIT, again)
        assert.equal((await kept.get(COMMIT))?.stage, stage)
      }
    })

    it('lets a release of a commit outrank that it was superseded before', async () => {
      const kept = await empty()
      await kept.post(COMMIT, statusOf('failure', 'superseded', 'cut short', { revision: 5 }))
      await kept.post(COMMIT, statusOf('pending', 'validated', 'head again'))
      assert.equal((await kept.get(COMMIT))?.stage, 'superseded')
      await kept.post(COMMIT, statusOf('pending', 'rollout', 'released again', { revision: 9 }))
      assert.equal((await kept.get(COMMIT))?.stage, 'rollout')
    })

    it('loses no post when many come at once', async () => {
      const kept = await empty()
      await Promise.all([...WAY].reverse().map((status) => kept.post(COMMIT, status)))
      assert.equal((await kept.get(COMMIT))?.stage, 'done')
    })
  })
}
