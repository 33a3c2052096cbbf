/** The endpoints of GitHub that are used, as its documentation has them, over a fake repository. */
import type { FakeRun, GithubRepository } from './github-repository.ts'

export type Asked = {
  method: string
  path: string
  query: URLSearchParams
  body: Record<string, unknown>
  app: number
}
export type Answered = { status: number; body?: unknown }
type Handle = (repository: GithubRepository, asked: Asked, found: string[]) => Answered

const ok = (body: unknown): Answered => ({ status: 200, body })
const NOT_FOUND: Answered = { status: 404, body: { message: 'Not Found' } }
const orNotFound = (body: unknown): Answered => (body === undefined ? NOT_FOUND : ok(body))

/** Method, and what follows `/repos/<owner>/<name>`. */
const ROUTES: [string, RegExp, Handle][] = [
  ['GET', /^$/, () => ok({ id: 1 })],
  ['GET', /^\/git\/ref\/heads\/(.+)$/, head],
  ['GET', /^\/git\/commits\/(\w+)$/, (repository, _, [sha = '']) => commit(repository, sha)],
  ['GET', /^\/git\/trees\/(\w+)$/, tree],
  ['GET', /^\/git\/blobs\/(\w+)$/, (repository, _, [sha = '']) => blob(repository, sha)],
  ['GET', /^\/compare\/(\w+)\.\.\.(\w+)$/, compare],
  ['GET', /^\/pulls$/, (repository, { query }) => ok(openPulls(repository, query.get('base')))],
  ['GET', /^\/pulls\/(\d+)$/, (repository, _, [number]) => orNotFound(repository.pulls.get(Number(number)))],
  [
    'GET',
    /^\/pulls\/(\d+)\/reviews$/,
    (repository, asked, [number]) => page(repository.reviews.get(Number(number)) ?? [], asked),
  ],
  [
    'GET',
    /^\/commits\/(\w+)\/pulls$/,
    (repository, asked, [sha = '']) => page(pullsOf(repository, sha), asked),
  ],
  [
    'GET',
    /^\/commits\/(\w+)\/statuses$/,
    (repository, asked, [sha = '']) => page([...(repository.statuses.get(sha) ?? [])].reverse(), asked),
  ],
  ['POST', /^\/statuses\/(\w+)$/, postStatus],
  ['GET', /^\/commits\/(\w+)\/check-runs$/, latestRun],
  ['POST', /^\/check-runs$/, createRun],
  ['PATCH', /^\/check-runs\/(\d+)$/, updateRun],
  [
    'GET',
    /^\/issues\/(\d+)\/comments$/,
    (repository, asked, [pull]) =>
      page(
        repository.comments.filter((each) => each.pull === Number(pull)),
        asked,
      ),
  ],
  ['POST', /^\/issues\/(\d+)\/comments$/, comment],
  ['PATCH', /^\/issues\/comments\/(\d+)$/, editComment],
  ['DELETE', /^\/issues\/comments\/(\d+)$/, deleteComment],
  ['GET', /^\/rules\/branches\/(.+)$/, ({ rules }) => ok(rules)],
  ['GET', /^\/branches\/([^/]+)$/, ({ protection }) => ok({ protected: protection !== undefined })],
  ['GET', /^\/branches\/([^/]+)\/protection$/, protection],
]

export function answer(repository: GithubRepository, asked: Asked): Answered {
  for (const [method, pattern, handle] of ROUTES) {
    const found = method === asked.method ? pattern.exec(asked.path) : null
    if (found !== null) return handle(repository, asked, found.slice(1))
  }
  return NOT_FOUND
}

function page(entries: readonly unknown[], { query }: Asked): Answered {
  const size = Number(query.get('per_page') ?? 30)
  const first = (Number(query.get('page') ?? 1) - 1) * size
  return ok(entries.slice(first, first + size))
}

function head({ branches }: GithubRepository, _: Asked, [branch = '']: string[]): Answered {
  const sha = branches.get(branch)
  return orNotFound(sha && { ref: `refs/heads/${branch}`, object: { type: 'commit', sha } })
}

function commit({ commits }: GithubRepository, sha: string): Answered {
  const found = commits.get(sha)
  const who = { name: 'Policy Author', email: 'author@example.org', date: '2026-11-23T00:00:00Z' }
  return orNotFound(found && { sha, author: who, committer: who, tree: { sha: found.tree }, parents: [] })
}

function tree(repository: GithubRepository, { query }: Asked, [sha = '']: string[]): Answered {
  if (!repository.trees.has(sha)) return NOT_FOUND
  const recursive = query.has('recursive')
  const entries = recursive ? repository.below(sha) : (repository.trees.get(sha) ?? [])
  const truncated = recursive && entries.length > repository.listed
  return ok({ sha, tree: truncated ? entries.slice(0, repository.listed) : entries, truncated })
}

function blob({ blobs }: GithubRepository, sha: string): Answered {
  const bytes = blobs.get(sha)
  // GitHub breaks base64 into lines.
  const content = bytes?.toString('base64').replaceAll(/.{60}/g, '$&\n')
  return orNotFound(bytes && { sha, size: bytes.length, content, encoding: 'base64' })
}

function compare(repository: GithubRepository, _: Asked, [base = '', head = '']: string[]): Answered {
  if (!repository.commits.has(base) || !repository.commits.has(head)) return NOT_FOUND
  const [before, after] = [repository.history(base), repository.history(head)]
  const common = after.find((each) => before.includes(each))
  if (common === undefined) return { status: 404, body: { message: 'No common ancestor' } }
  const status =
    base === head ? 'identical' : common === base ? 'ahead' : common === head ? 'behind' : 'diverged'
  return ok({ status, merge_base_commit: { sha: common }, commits: [] })
}

function openPulls({ pulls }: GithubRepository, base: string | null) {
  return [...pulls.values()].filter((pull) => pull.state === 'open' && pull.base.ref === base)
}

function pullsOf(repository: GithubRepository, sha: string) {
  return [...repository.pulls.values()].filter(
    ({ head, merge_commit_sha }) => merge_commit_sha === sha || repository.history(head.sha).includes(sha),
  )
}

function postStatus({ statuses }: GithubRepository, { body }: Asked, [sha = '']: string[]): Answered {
  const description = String(body['description'])
  if (description.length > 140) return { status: 422, body: { message: 'Validation Failed' } }
  const status = { context: String(body['context']), state: String(body['state']), description }
  statuses.set(sha, [...(statuses.get(sha) ?? []), status])
  return { status: 201, body: status }
}

function latestRun({ runs }: GithubRepository, { query }: Asked, [sha = '']: string[]): Answered {
  const found = runs.filter((run) => run.head_sha === sha && run.name === query.get('check_name')).at(-1)
  return ok({ total_count: found === undefined ? 0 : 1, check_runs: found === undefined ? [] : [found] })
}

type Output = { title: string; summary: string; annotations: FakeRun['annotations'] }

function createRun(repository: GithubRepository, { body }: Asked): Answered {
  const empty = { title: '', summary: '', annotations: [] }
  const run = { id: repository.id(), status: 'queued', conclusion: null, ...empty } as unknown as FakeRun
  const answered = changeRun(run, body)
  if (answered.status < 300) repository.runs.push(run)
  return { ...answered, status: answered.status === 200 ? 201 : answered.status }
}

function updateRun({ runs }: GithubRepository, { body }: Asked, [id]: string[]): Answered {
  const run = runs.find((each) => each.id === Number(id))
  return run === undefined ? NOT_FOUND : changeRun(run, body)
}

/** Annotations are added to those that are there, at most 50 in a request. */
function changeRun(run: FakeRun, { output, ...fields }: Record<string, unknown>): Answered {
  const { annotations, ...texts } = output as Output
  if (annotations.length > 50) return { status: 422, body: { message: 'Invalid request' } }
  Object.assign(run, fields, texts, { annotations: [...run.annotations, ...annotations] })
  return ok(run)
}

function comment(repository: GithubRepository, { body, app }: Asked, [pull]: string[]): Answered {
  const made = { id: repository.id(), pull: Number(pull), body: String(body['body']) }
  repository.comments.push({ ...made, performed_via_github_app: { id: app } })
  return { status: 201, body: made }
}

function editComment({ comments }: GithubRepository, { body }: Asked, [id]: string[]): Answered {
  const found = comments.find((each) => each.id === Number(id))
  if (found !== undefined) found.body = String(body['body'])
  return orNotFound(found)
}

function deleteComment({ comments }: GithubRepository, _: Asked, [id]: string[]): Answered {
  const at = comments.findIndex((each) => each.id === Number(id))
  if (at < 0) return NOT_FOUND
  comments.splice(at, 1)
  return { status: 204 }
}

function protection({ protection: rules }: GithubRepository): Answered {
  if (rules !== 'forbidden') return orNotFound(rules)
  return { status: 403, body: { message: 'Resource not accessible by integration' } }
}
