import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { octokitParts } from '../../functions/adapters/octokit-parts.ts'
import type { FakeReview, GithubRepository } from '../fakes/github-repository.ts'
import { type GithubServer, githubServer } from '../fakes/github-server.ts'

let server: GithubServer
beforeEach(async () => {
  server = await githubServer()
})
afterEach(() => server.close())

const OLD = '0'.repeat(40)

/** A pull request with these reviews, merged by a commit of its own. */
function merged(repository: GithubRepository, reviews: (head: string) => FakeReview[]) {
  const base = repository.commit({})
  const head = repository.commit({ 'policies/a.yaml': 'a' }, base)
  const merge = repository.commit({ 'policies/a.yaml': 'a' }, base)
  repository.open(12, head)
  repository.reviews.set(12, reviews(head))
  repository.merge(12, merge)
  return { head, merge }
}
const review = (login: string | null, state: string, commit_id: string, author_association = 'MEMBER') => ({
  user: login === null ? null : { login },
  state,
  commit_id,
  author_association,
})
const reviewOf = (commit: string) => octokitParts(server.settings).reviews.review(commit, 'main')

describe('github reviews', () => {
  it('names who approved, marks what they approved when it was not what was merged', async () => {
    const { head, merge } = merged(server.repository, (at) => [
      review('ann', 'APPROVED', at),
      review('bob', 'APPROVED', OLD),
    ])
    assert.deepEqual(await reviewOf(merge), {
      pull: 12,
      head,
      rule: 'none',
      approvals: [
        { by: 'ann', commit: head, outdated: false },
        { by: 'bob', commit: OLD, outdated: true },
      ],
    })
  })

  const rows: [string, FakeReview[], string[]][] = [
    ['was dismissed', [review('ann', 'DISMISSED', OLD)], []],
    ['was taken back', [review('ann', 'APPROVED', OLD), review('ann', 'CHANGES_REQUESTED', OLD)], []],
    [
      'was given after a refusal',
      [review('ann', 'CHANGES_REQUESTED', OLD), review('ann', 'APPROVED', OLD)],
      ['ann'],
    ],
    ['was followed by a comment', [review('ann', 'APPROVED', OLD), review('ann', 'COMMENTED', OLD)], ['ann']],
    [
      'is a stranger’s',
      [review('eve', 'APPROVED', OLD, 'NONE'), review('mal', 'APPROVED', OLD, 'CONTRIBUTOR')],
      [],
    ],
    ['is of an account that is gone', [review(null, 'APPROVED', OLD)], []],
  ]
  for (const [what, reviews, approvers] of rows) {
    it(`counts ${approvers.length === 0 ? 'no' : 'an'} approval that ${what}`, async () => {
      const { merge } = merged(server.repository, () => reviews)
      assert.deepEqual(
        (await reviewOf(merge))?.approvals.map(({ by }) => by),
        approvers,
      )
    })
  }

  it('says of a push without a pull request that there was none', async () => {
    const commit = server.repository.commit({})
    server.repository.push(commit)
    const { repository } = server
    repository.rules = [
      { type: 'deletion' },
      {
        type: 'pull_request',
        ruleset_id: 3,
        ruleset_source: 'acme',
        parameters: { required_approving_review_count: 2 },
      },
    ]
    const rule = 'ruleset 3 of acme: 2 approvals'
    assert.deepEqual(await reviewOf(commit), { pull: null, head: null, rule, approvals: [] })
  })

  it('reads the branch protection, and says so when the app may not', async () => {
    const { merge } = merged(server.repository, () => [])
    const required_pull_request_reviews = { required_approving_review_count: 1 }
    server.repository.protection = { required_pull_request_reviews }
    assert.equal((await reviewOf(merge))?.rule, 'branch protection of main: 1 approval')
    server.repository.protection = 'forbidden'
    assert.equal((await reviewOf(merge))?.rule, 'branch protection of main: not readable for this app')
  })

  it('takes no other pull request for the one that was merged', async () => {
    const { merge } = merged(server.repository, (head) => [review('ann', 'APPROVED', head)])
    server.repository.open(13, server.repository.commit({}, merge))
    server.repository.reviews.set(13, [review('eve', 'APPROVED', OLD)])
    assert.equal((await reviewOf(merge))?.pull, 12)
  })
})
