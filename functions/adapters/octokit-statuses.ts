/** Commit statuses on GitHub: one context, of which the last word counts. */
import { z } from 'zod'
import type { Posts } from '../ports.ts'
import type { GithubClient } from './octokit-client.ts'

/** What branch protection and people know it by. */
const CONTEXT = 'heddle/delivery'
/** Characters that GitHub takes. */
const MAX_DESCRIPTION = 140

const Status = z.object({ context: z.string(), state: z.string(), description: z.string().nullable() })

export function octokitStatuses(github: GithubClient): Pick<Posts, 'status'> {
  return {
    async status(commit, { state, description: text }) {
      const description = text.length > MAX_DESCRIPTION ? `${text.slice(0, MAX_DESCRIPTION - 1)}…` : text
      const route = 'GET /repos/{owner}/{repo}/commits/{commit}/statuses'
      // The newest comes first. Equal ones are not repeated: GitHub keeps 1,000 for a commit.
      const latest = await github.find(route, { commit, per_page: 100 }, z.array(Status))
      const last = latest?.find(({ context }) => context === CONTEXT)
      if (last?.state === state && last.description === description) return
      const parameters = { commit, state, description, context: CONTEXT }
      await github.ask('POST /repos/{owner}/{repo}/statuses/{commit}', parameters, z.object({}))
    },
  }
}
