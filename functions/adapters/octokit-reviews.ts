/**
 * Reviews over GitHub's REST API: who had approved the pull request that a commit was merged by, and which
 * rule of the branch asks for that now.
 */
import { z } from 'zod'
import type { Review } from '../../pipelines/contract/provenance.ts'
import type { Reviews } from '../ports.ts'
import type { GithubClient } from './octokit-client.ts'

/** Anybody may approve a public pull request; these may do so for the repository. */
const OWN = new Set(['OWNER', 'MEMBER', 'COLLABORATOR'])

const MergedPull = z.object({
  number: z.int(),
  merged_at: z.string().nullable(),
  merge_commit_sha: z.string().nullable(),
  head: z.object({ sha: z.string() }),
  base: z.object({ ref: z.string() }),
})
const Opinion = z.object({
  user: z.object({ login: z.string() }).nullable(),
  state: z.string(),
  commit_id: z.string().nullish(),
  author_association: z.string(),
})
type Opinion = z.infer<typeof Opinion>
const Rule = z.object({
  type: z.string(),
  ruleset_id: z.int().optional(),
  ruleset_source: z.string().optional(),
  parameters: z.object({ required_approving_review_count: z.int().optional() }).optional(),
})
const Protection = z.object({
  required_pull_request_reviews: z.object({ required_approving_review_count: z.int().optional() }).optional(),
})

export function octokitReviews(github: GithubClient): Reviews {
  return {
    async review(commit, branch) {
      const [rule, pull] = await Promise.all([ruleOf(github, branch), mergedPull(github, commit, branch)])
      if (pull === undefined) return { pull: null, head: null, rule, approvals: [] }
      const { number } = pull
      const route = 'GET /repos/{owner}/{repo}/pulls/{number}/reviews'
      const opinions = await github.list(route, { number }, Opinion)
      const head = pull.head.sha
      return { pull: number, head, rule, approvals: approvalsOf(opinions, head) } satisfies Review
    },
  }
}

/** The one whose merge made this very commit; a commit may be part of others, too. */
async function mergedPull(github: GithubClient, commit: string, branch: string) {
  const route = 'GET /repos/{owner}/{repo}/commits/{commit}/pulls'
  const pulls = (await github.find(route, { commit, per_page: 100 }, z.array(MergedPull))) ?? []
  const merged = pulls.filter(({ merged_at, base }) => merged_at !== null && base.ref === branch)
  return merged.find(({ merge_commit_sha, head }) => merge_commit_sha === commit || head.sha === commit)
}

/** The last word of each person counts: an approval that was dismissed, or taken back, is none. */
function approvalsOf(opinions: readonly Opinion[], head: string): Review['approvals'] {
  const last = new Map<string, Opinion>()
  // They come in the order in which they were given.
  for (const opinion of opinions) {
    // A comment, or a review that is not sent yet, leaves the earlier word as it is.
    if (!['APPROVED', 'CHANGES_REQUESTED', 'DISMISSED'].includes(opinion.state)) continue
    if (opinion.user !== null && OWN.has(opinion.author_association)) last.set(opinion.user.login, opinion)
  }
  return [...last]
    .filter(([, { state }]) => state === 'APPROVED')
    .map(([by, { commit_id }]) => ({ by, commit: commit_id ?? '', outdated: commit_id !== head }))
    .sort((a, b) => (a.by < b.by ? -1 : 1))
}

/** Rulesets and branch protection may both ask; protection is told only to an app that may read it. */
async function ruleOf(github: GithubClient, branch: string): Promise<string> {
  const rules =
    (await github.find('GET /repos/{owner}/{repo}/rules/branches/{branch}', { branch }, z.array(Rule))) ?? []
  const asked = rules
    .filter(({ type }) => type === 'pull_request')
    .map(({ ruleset_id, ruleset_source, parameters }) => {
      const count = parameters?.required_approving_review_count ?? 0
      return `ruleset ${ruleset_id ?? '?'} of ${ruleset_source ?? '?'}: ${approvals(count)}`
    })
  return [...asked, ...(await protectionOf(github, branch))].join('; ') || 'none'
}

async function protectionOf(github: GithubClient, branch: string): Promise<string[]> {
  const route = 'GET /repos/{owner}/{repo}/branches/{branch}'
  const state = await github.find(route, { branch }, z.object({ protected: z.boolean() }))
  if (state?.protected !== true) return []
  const found = await github.findAllowed(`${route}/protection`, { branch }, Protection)
  if (found === undefined) return []
  if (found === 'forbidden') return [`branch protection of ${branch}: not readable for this app`]
  const reviews = found.required_pull_request_reviews
  const count = reviews?.required_approving_review_count ?? 0
  return reviews === undefined ? [] : [`branch protection of ${branch}: ${approvals(count)}`]
}

const approvals = (count: number): string => `${count} ${count === 1 ? 'approval' : 'approvals'}`
