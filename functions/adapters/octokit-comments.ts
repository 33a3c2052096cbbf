/** The one comment of ours on a pull request. */
import { z } from 'zod'
import type { Posts } from '../ports.ts'
import type { GithubClient } from './octokit-client.ts'

/** Nobody sees it in the comment; whoever copies it into one of theirs is no app of ours. */
const MARKER = '<!-- heddle:plan -->'
/** Characters: GitHub takes 65,536. */
const MAX_BODY = 65_000

const Comment = z.object({
  id: z.int(),
  body: z.string().nullish(),
  performed_via_github_app: z.object({ id: z.int() }).nullish(),
})

export function octokitComments(github: GithubClient): Pick<Posts, 'comment'> {
  return {
    async comment(pull, text) {
      const cut = text.length > MAX_BODY ? `${text.slice(0, MAX_BODY)}\n… cut short` : text
      const body = `${MARKER}\n${cut}`
      const route = '/repos/{owner}/{repo}/issues/{pull}/comments'
      const comments = await github.list(`GET ${route}`, { pull }, Comment)
      const ours = comments.filter(
        (comment) =>
          comment.performed_via_github_app?.id === github.appId && comment.body?.startsWith(MARKER) === true,
      )
      const [first, ...doubles] = ours.sort((a, b) => a.id - b.id)
      const one = '/repos/{owner}/{repo}/issues/comments/{id}'
      if (first === undefined) await github.ask(`POST ${route}`, { pull, body }, Comment)
      else if (first.body !== body) await github.ask(`PATCH ${one}`, { id: first.id, body }, Comment)
      // Two that posted at the same time saw none of each other's; the next one to come leaves the first.
      for (const { id } of doubles) await github.find(`DELETE ${one}`, { id }, z.unknown())
    },
  }
}
