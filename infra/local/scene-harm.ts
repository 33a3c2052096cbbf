/** Scene: a policy that is well-formed and harmful. The first ring's gate trips, and it goes back by itself. */
import { harmfulPolicy, POLICY_FILE, SECOND_POLICY } from './demo-policies.ts'
import { RINGS } from './fleet.ts'
import { enforcedBy, rolloutOf, within } from './observe.ts'
import { HARMED_LANE } from './scene-push.ts'
import type { Stack } from './stack.ts'
import type { Timeline } from './timeline.ts'

const DEADLINE_MS = 30_000

export async function pushHarmfulPolicy(stack: Stack, timeline: Timeline): Promise<void> {
  const before = new Map(stack.nodes.map((node) => [node.name, enforcedBy(node)]))
  const push = await stack.cloud.clone.push(
    { [POLICY_FILE]: harmfulPolicy('once more') },
    'Let web read items',
  )
  timeline.quote(push.said)
  const ended = await within(DEADLINE_MS, async () =>
    (await rolloutOf(stack.cloud.store))?.ended.find((each) => each.commit === push.commit),
  )
  if (ended === undefined) throw new Error('the harmful release has not ended')
  timeline.promise(
    ended.outcome === 'rolled-back' && ended.ring === RINGS[0]?.name,
    `${ended.ring}: ${ended.why}; taken back ${ended.endedAt - ended.begunAt} ms after the rollout began`,
  )
  const home = await within(DEADLINE_MS, async () => {
    const state = await rolloutOf(stack.cloud.store)
    return state?.current?.kind === 'rollback' && state.current.state === 'done' ? state : undefined
  })
  const facts = RINGS[0]?.nodes.map((node) => home?.nodes[node]) ?? []
  const late = facts.map((fact) => (fact === undefined ? Number.NaN : Date.parse(fact.at) - ended.endedAt))
  timeline.promise(
    stack.nodes.every((node) => enforcedBy(node)?.artifact === before.get(node.name)?.artifact),
    `every node runs what it ran before; ring 0 said so ${Math.max(...late)} ms after the gate's trip`,
  )
  await tellHarm(stack, timeline)
  const status = stack.cloud.statusOf(push.commit)
  timeline.promise(
    status?.state === 'failure' && status.stage === 'rolled-back',
    `the commit's status: ${status?.description}`,
  )
  await pushMended(stack, timeline)
}

/** Who met it: callers of the first ring, and nobody else. */
async function tellHarm(stack: Stack, timeline: Timeline): Promise<void> {
  const lanes = (await stack.client.stats()).filter(({ name }) => name === HARMED_LANE)
  const first = new Set(RINGS[0]?.nodes)
  const refused = (own: boolean) =>
    lanes
      .filter(({ node }) => first.has(node) === own)
      .reduce((sum, { status }) => sum + (status[403] ?? 0), 0)
  timeline.promise(
    refused(true) > 0 && refused(false) === 0,
    `${refused(true)} requests were refused in ring 0, none in rings 1 and 2: they never ran it`,
  )
}

/** The artifact is denied, the commit that mends it is another. */
async function pushMended(stack: Stack, timeline: Timeline): Promise<void> {
  const push = await stack.cloud.clone.push({ [POLICY_FILE]: SECOND_POLICY }, 'Let web read orders again')
  const done = await within(
    DEADLINE_MS,
    () => stack.cloud.statusOf(push.commit)?.stage === 'done' || undefined,
  )
  timeline.promise(done === true, 'the commit that mends it goes through every ring')
}
