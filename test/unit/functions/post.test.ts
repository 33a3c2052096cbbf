import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NO_PULLS } from '../../../functions/no-forge.ts'
import { storedPlans } from '../../../functions/plans.ts'
import type { Check, Posts, Pulls } from '../../../functions/ports.ts'
import { planText, span } from '../../../functions/post/plan-text.ts'
import { post } from '../../../functions/post/post.ts'
import { announced, failureStatus, statusOf } from '../../../functions/statuses.ts'
import type { CommitStatus } from '../../../pipelines/contract/commit-status.ts'
import type { DeliveryEvent } from '../../../pipelines/contract/events.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'
import type { PlanRecord } from '../../../pipelines/contract/plan-record.ts'
import { memoryStatuses } from '../../fakes/memory-forge.ts'
import { memoryStore } from '../../fakes/memory-store.ts'

const COMMIT = 'c'.repeat(40)
const OTHER = 'd'.repeat(40)
const done = statusOf('success', 'done', 'everywhere', { revision: 7 })
const begun = statusOf('pending', 'rollout', 'ring 0', { revision: 3 })

function world(pulls: Pulls = NO_PULLS) {
  const shown: string[] = []
  const checks: Check[] = []
  const comments: string[] = []
  const posts = {
    status: async (_: string, { description }: Pick<CommitStatus, 'description'>) =>
      void shown.push(description),
    check: async (check: Check) => void checks.push(check),
    comment: async (_: number, text: string) => void comments.push(text),
  } satisfies Posts
  const sent: DeliveryEvent[] = []
  const queue = { send: async (event: DeliveryEvent) => void sent.push(event) }
  const statuses = announced(memoryStatuses(), queue)
  const plans = storedPlans({ store: memoryStore(), pulls, queue })
  const ports = { statuses, plans, pulls, posts }
  return { ports, posts, shown, checks, comments, sent }
}
const status = { stage: 'post', subject: { kind: 'status', commit: COMMIT } } as const
const planned = { stage: 'post', subject: { kind: 'plan', pull: 1 } } as const
const record = (commit: string, description = 'fine'): PlanRecord => ({
  schema: 'heddle.plan/1',
  pull: 1,
  commit,
  state: 'success',
  description,
  findings: [],
  against: null,
  plan: null,
})

describe('post', () => {
  it('shows the furthest status, whichever the event was sent for', async () => {
    const { ports, shown, sent } = world()
    for (const each of [begun, done, begun]) await ports.statuses.post(COMMIT, each)
    assert.equal(sent.length, 3)
    await post(ports, status)
    assert.deepEqual(shown, ['everywhere'])
  })

  it('says a newer status again after an older one that was slower on its way', async () => {
    const { ports, posts, shown } = world()
    await ports.statuses.post(COMMIT, begun)
    const slow: Posts['status'] = async (commit, told) => {
      // While this one is on its way, another poster shows what came after it.
      if (told.description === 'ring 0') {
        await ports.statuses.post(COMMIT, done)
        await post({ ...ports, posts }, status)
      }
      return posts.status(commit, told)
    }
    await post({ ...ports, posts: { ...posts, status: slow } }, status)
    assert.deepEqual(shown, ['everywhere', 'ring 0', 'everywhere'])
  })

  it('posts every end of a delivery', async () => {
    const ends = [
      done,
      failureStatus(new Failure('expression-invalid', 'policies/a.yaml:3:4: no')),
      failureStatus(new Failure('compiler-failed', 'broke')),
      failureStatus(new Failure('delivery-exhausted', 'tired')),
      statusOf('failure', 'superseded', 'newer'),
      statusOf('failure', 'rolled-back', 'harm', { revision: 1 }),
      statusOf('failure', 'aborted', 'by hand', { revision: 1 }),
    ]
    for (const end of ends) {
      const { ports, shown, checks } = world()
      await ports.statuses.post(COMMIT, end)
      await post(ports, status)
      assert.equal(shown.length, 1)
      assert.deepEqual(
        checks.map(({ findings }) => findings[0]?.line),
        end.findings.map(({ line }) => line),
      )
    }
  })

  it('comments only with the plan of the head, and checks the commit in any case', async () => {
    let head = COMMIT
    const pull = async () => ({ number: 1, commit: head, branch: 'main', open: true, merged: false })
    const { ports, checks, comments } = world({ ...NO_PULLS, pull })
    await ports.plans.keep(record(COMMIT))
    head = OTHER
    await post(ports, planned)
    assert.deepEqual([checks.length, comments.length], [1, 0])
  })

  it('keeps no plan of a commit that the pull request has left behind', async () => {
    const pull = async () => ({ number: 1, commit: OTHER, branch: 'main', open: true, merged: false })
    const { ports, sent } = world({ ...NO_PULLS, pull })
    await ports.plans.keep(record(OTHER))
    await ports.plans.keep(record(COMMIT))
    assert.equal((await ports.plans.get(1))?.commit, OTHER)
    assert.equal(sent.length, 1)
  })

  it('has nothing to say of a commit that nobody spoke of', async () => {
    const { ports, shown } = world()
    await post(ports, status)
    assert.deepEqual(shown, [])
  })
})

describe('plan as text', () => {
  for (const evil of ['`@acme/all`', 'a\n\n# head', '```\n', '\u2028x', '\u202Eevil', '<img src=x>', '']) {
    it(`keeps ${JSON.stringify(evil)} inside its code span`, () => {
      assert.match(span(evil), /^`[^`\n\r\u2028\u202E]+`$/u)
    })
  }

  it('writes nothing of a file outside of a code span', () => {
    const evil = '](https://evil.example) @acme/all `<script>`'
    const finding = {
      file: evil,
      line: 1,
      column: 1,
      code: evil,
      message: evil,
      hint: evil,
      severity: 'error' as const,
    }
    const text = planText({ ...record(COMMIT, evil), state: 'failure', findings: [finding] })
    assert.doesNotMatch(text.replaceAll(/`[^`\n]*`/g, ''), /evil|@|script/)
  })
})
