/**
 * What a webhook is about, of GitHub's many events. A payload is believed in nothing but its subject: which
 * branch or pull request to look at. Each schema names only the fields that are read.
 */
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'

/** `head`: look at the branch. `pull`: look at this pull request. `none`: nothing to do, and why. */
export type Subject = { kind: 'head' } | { kind: 'pull'; number: number } | { kind: 'none'; why: string }

const Repository = z.object({ full_name: z.string() })
const Push = z.object({ ref: z.string(), repository: Repository })
const PullRequest = z.object({
  action: z.string(),
  number: z.int().min(1),
  repository: Repository,
  pull_request: z.object({ merged: z.boolean().nullish(), base: z.object({ ref: z.string() }) }),
})
const Check = z.object({ external_id: z.string().nullish(), name: z.string().nullish() })
const Pulls = z.array(z.object({ number: z.int().min(1) })).nullish()
const CheckRun = z.object({
  action: z.string(),
  repository: Repository,
  check_run: Check.extend({ pull_requests: Pulls }),
})
const CheckSuite = z.object({
  action: z.string(),
  repository: Repository,
  check_suite: z.object({ pull_requests: Pulls, head_branch: z.string().nullish() }),
})

/** Actions after which the head or the target of a pull request may be another, or its checks are asked for. */
const PLANNED = new Set(['opened', 'reopened', 'synchronize', 'edited', 'ready_for_review'])
/** `external_id` of our own plan checks: a fork's check run names no pull request. */
const OUR_PULL = /^pull\/([1-9]\d{0,9}) /

type Delivered = { repository: string; branch: string }

/** Throws Failure('webhook-malformed') for an event that is looked at and lacks what is looked for. */
export function subjectOf(event: string | undefined, body: string, delivered: Delivered): Subject {
  switch (event) {
    case 'push':
      return ofPush(parse(body, Push, event), delivered)
    case 'pull_request':
      return ofPull(parse(body, PullRequest, event), delivered)
    case 'check_run':
      return ofCheckRun(parse(body, CheckRun, event), delivered)
    case 'check_suite':
      return ofCheckSuite(parse(body, CheckSuite, event), delivered)
    case 'pull_request_review':
      return none('reviews are read when what they approve is delivered')
    default:
      return none(`event ${event ?? 'without a type'}`)
  }
}

function ofPush({ ref, repository }: z.infer<typeof Push>, { repository: ours, branch }: Delivered): Subject {
  if (repository.full_name === ours && ref === `refs/heads/${branch}`) return { kind: 'head' }
  return none(`${repository.full_name} ${ref} is not delivered`)
}

/** A merge is a push, too: whichever of the two gets here is enough. */
function ofPull(payload: z.infer<typeof PullRequest>, { repository, branch }: Delivered): Subject {
  const { action, number, pull_request: pull } = payload
  if (payload.repository.full_name !== repository) return notOurs(payload.repository)
  // A pull request whose target was changed names the new one, and what was the old one is not known here.
  if (pull.base.ref !== branch) return none(`pull request ${number} is not into ${branch}`)
  if (action === 'closed') return pull.merged === true ? { kind: 'head' } : none('closed without a merge')
  return PLANNED.has(action) ? { kind: 'pull', number } : none(`pull request ${action}`)
}

function ofCheckRun(
  { action, repository, check_run: run }: z.infer<typeof CheckRun>,
  ours: Delivered,
): Subject {
  if (repository.full_name !== ours.repository) return notOurs(repository)
  if (action !== 'rerequested') return none(`check run ${action}`)
  const number = OUR_PULL.exec(run.external_id ?? '')?.[1] ?? run.pull_requests?.[0]?.number
  return number === undefined ? { kind: 'head' } : { kind: 'pull', number: Number(number) }
}

function ofCheckSuite(payload: z.infer<typeof CheckSuite>, ours: Delivered): Subject {
  const { action, repository, check_suite: suite } = payload
  if (repository.full_name !== ours.repository) return notOurs(repository)
  if (action !== 'rerequested') return none(`check suite ${action}`)
  const number = suite.pull_requests?.[0]?.number
  if (number !== undefined) return { kind: 'pull', number }
  return suite.head_branch === ours.branch ? { kind: 'head' } : none('a check suite of another branch')
}

const none = (why: string): Subject => ({ kind: 'none', why })
const notOurs = ({ full_name }: z.infer<typeof Repository>): Subject => none(`${full_name} is not delivered`)

function parse<T>(body: string, schema: z.ZodType<T>, event: string): T {
  try {
    return schema.parse(JSON.parse(body))
  } catch (cause) {
    throw new Failure('webhook-malformed', `the body is no ${event} payload in JSON`, { cause })
  }
}
