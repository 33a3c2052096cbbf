/** The one comment of ours on a pull request. */
import { z } from 'zod'
import type { Posts } from '../ports.ts'
import type { GithubClient } from './octokit-client.ts'

/** Nobody sees it in the comment; whoever copies it into one of theirs is no app of ours. */
const MARKER = '<!-- heddle:plan -->'
/** Characters: GitHub takes 65,536. */
const MAX_BODY = 65_000
const LIST = '/repos/{owner}/{repo}/issues/{pull}/comments'
const ONE = '/repos/{owner}/{repo}/issues/comments/{id}'

const Comment = z.object({
  id: z.int(),
  body: z.string().nullish(),
  performed_via_github_app: z.object({ id: z.int() }).nullish(),
})
type Comment = z.infer<typeof Comment>

export function octokitComments(github: GithubClient): Pick<Posts, 'comment'> {
  return {
    async comment(pull, text) {
      const cut = text.length > MAX_BODY ? `${text.slice(0, MAX_BODY)}\n… cut short` : text
      const body = `${MARKER}\n${cut}`
      const ours = await ourComments(github, pull)
      if (ours.length > 0) return leaveOne(github, ours, body)
      await github.ask(`POST ${LIST}`, { pull, body }, Comment)
      // Somebody who posted at the same time saw no comment either: both leave the older one.
      await leaveOne(github, await ourComments(github, pull), body)
    },
  }
}

async function ourComments(github: GithubClient, pull: number): Promise<Comment[]> {
  const comments = await github.list(`GET ${LIST}`, { pull }, Comment)
  return comments
    .filter(
      ({ body, performed_via_github_app: app }) =>
        app?.id === github.appId && body?.startsWith(MARKER) === true,
    )
    .sort((a, b) => a.id - b.id)
}

async function leaveOne(github: GithubClient, [first, ...doubles]: Comment[], body: string): Promise<void> {
  if (first !== undefined && first.body !== body) {
    await github.ask(`PATCH ${ONE}`, { id: first.id, body }, Comment)
  }
  for (const { id } of doubles) await github.find(`DELETE ${ONE}`, { id }, z.unknown())
}
