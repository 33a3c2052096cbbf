/** Pulls over GitHub's REST API. */
import { z } from 'zod'
import type { Pull, Pulls } from '../ports.ts'
import type { GithubClient } from './octokit-client.ts'
import { compare } from './octokit-forge.ts'

const Answer = z.object({
  number: z.int().min(1),
  state: z.enum(['open', 'closed']),
  /** Null and absent in lists; `merged` only of one that is asked for by number. */
  merged_at: z.string().nullish(),
  head: z.object({ sha: z.string().regex(/^[0-9a-f]{40,64}$/) }),
  base: z.object({ ref: z.string() }),
})
const Base = z.object({ merge_base_commit: z.object({ sha: z.string() }) })
const MAX_OPEN = 100

export function octokitPulls(github: GithubClient): Pulls {
  return {
    async pull(number) {
      const found = await github.find('GET /repos/{owner}/{repo}/pulls/{number}', { number }, Answer)
      return found && pullOf(found)
    },
    async open(branch) {
      const latest = { state: 'open', base: branch, sort: 'updated', direction: 'desc', per_page: MAX_OPEN }
      return (await github.ask('GET /repos/{owner}/{repo}/pulls', latest, z.array(Answer))).map(pullOf)
    },
    async base(one, other) {
      return (await compare(github, one, other, Base))?.merge_base_commit.sha
    },
  }
}

function pullOf({ number, state, merged_at, head, base }: z.infer<typeof Answer>): Pull {
  const merged = (merged_at ?? null) !== null
  return { number, commit: head.sha, branch: base.ref, open: state === 'open', merged }
}
