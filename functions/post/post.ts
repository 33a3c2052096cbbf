/**
 * Post: what is known goes onto the forge. The event says only that there may be news; what is shown is
 * looked up now, and looked up again afterwards: of two posters at work at once the one with the older
 * word sees the newer one and says it again, so that an older word never stays.
 */
import type { CommitStatus, Finding } from '../../pipelines/contract/commit-status.ts'
import type { EventOf } from '../../pipelines/contract/events.ts'
import type { PlanRecord } from '../../pipelines/contract/plan-record.ts'
import type { Plans } from '../plans.ts'
import type { Posts, Pulls, Statuses } from '../ports.ts'
import { sha256Hex } from '../trust/metadata.ts'
import { planText } from './plan-text.ts'

/** Names of the checks; branch protection asks for them by name. */
const DELIVERY_CHECK = 'heddle/delivery'
const PLAN_CHECK = 'heddle/plan'
/** Posts of one event while news keeps coming; the queue gives the event again after that. */
const MAX_ROUNDS = 5

export type PostPorts = { statuses: Statuses; plans: Plans; pulls: Pulls; posts: Posts }

/** Throws Failure('forge-unavailable' | 'store-unavailable'). */
export async function post(ports: PostPorts, { subject }: EventOf<'post'>): Promise<void> {
  const look = async () =>
    subject.kind === 'status' ? ports.statuses.get(subject.commit) : ports.plans.get(subject.pull)
  let posted = ''
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const known = await look()
    const text = JSON.stringify(known)
    if (known === undefined || text === posted) return
    if (known.schema === 'heddle.plan/1') await postPlan(ports, known)
    else if (subject.kind === 'status') await postStatus(ports.posts, subject.commit, known)
    posted = text
  }
  throw new Error('it changes faster than it can be posted')
}

/** The state of a delivery, and findings on their lines where there are any. */
async function postStatus(posts: Posts, commit: string, status: CommitStatus): Promise<void> {
  const { state, description, findings, replaces } = status
  const forced = replaces === undefined ? '' : ` (forced: the branch left ${replaces.slice(0, 12)})`
  await posts.status(commit, { state, description: `${firstLine(description)}${forced}` })
  if (findings.length === 0) return
  const refused = findings.some(({ severity }) => severity === 'error')
  await posts.check({
    name: DELIVERY_CHECK,
    commit,
    key: keyOf('delivery', findings),
    conclusion: refused ? 'failure' : 'neutral',
    title: firstLine(description),
    summary: description,
    findings,
  })
}

/** The check is the commit's; the comment is the pull request's, and only its head's plan belongs there. */
async function postPlan({ posts, pulls }: PostPorts, record: PlanRecord): Promise<void> {
  const { pull, commit, description, findings, state } = record
  const text = planText(record)
  await posts.check({
    name: PLAN_CHECK,
    commit,
    key: keyOf(`pull/${pull}`, record),
    conclusion: state === 'success' ? 'success' : 'failure',
    title: firstLine(description),
    summary: text,
    findings,
  })
  if ((await pulls.pull(pull))?.commit === commit) await posts.comment(pull, text)
}

/** What a check is about, and a digest of what it says. */
function keyOf(subject: string, said: PlanRecord | readonly Finding[]): string {
  return `${subject} ${sha256Hex(Buffer.from(JSON.stringify(said))).slice(0, 32)}`
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? ''
