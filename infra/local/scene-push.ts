/** Scene: a good policy travels through the rings, on live connections. */
import type { LaneStats } from './client-contract.ts'
import { goodPolicy, POLICY_FILE } from './demo-policies.ts'
import { RINGS } from './fleet.ts'
import { rolloutOf, within } from './observe.ts'
import type { Push } from './git.ts'
import type { Stack } from './stack.ts'
import type { Timeline } from './timeline.ts'

const ROLLOUT_DEADLINE_MS = 30_000
/** The lane that the policy refuses; every other lane must not notice. */
const REFUSED_LANE = 'private'
/** What a harmful policy refuses, in the first ring alone (scene-harm.ts). */
export const HARMED_LANE = 'orders'

export async function pushGoodPolicy(stack: Stack, timeline: Timeline): Promise<void> {
  const before = await stack.client.stats()
  timeline.promise(onlyStatus(before, 200), 'before: every request of every client gets 200')
  const started = Date.now()
  const told = new Set<string>()
  let pushed: Push | undefined
  const pushing = stack.cloud.clone
    .push({ [POLICY_FILE]: goodPolicy() }, 'Let web read and upload below /public')
    .then((push) => {
      pushed = push
    })
  const number = ((await rolloutOf(stack.cloud.store))?.current?.number ?? 0) + 1
  const done = await within(ROLLOUT_DEADLINE_MS, async () => {
    await tellReports(stack, timeline, told, { started, number })
    const status = pushed === undefined ? undefined : stack.cloud.statusOf(pushed.commit)
    return status?.stage === 'done' || status?.state === 'failure' ? status : undefined
  })
  await pushing
  timeline.quote(pushed?.said ?? '')
  if (done === undefined) throw new Error(`the release did not get through:\n${lastWords(stack)}`)
  timeline.promise(done.state === 'success', `commit ${pushed?.commit.slice(0, 12)}: ${done.description}`)
  await tellTraffic(stack, timeline, started)
}

function lastWords(stack: Stack): string {
  const agents = [...stack.agents.values()]
  return [stack.cloud.functions, ...agents].map((each) => `${each.name}: ${each.lastLines(3)}`).join('\n')
}

/** One line for each node when it enforces, with what it measured itself. */
async function tellReports(
  stack: Stack,
  timeline: Timeline,
  told: Set<string>,
  { started, number }: { started: number; number: number },
): Promise<void> {
  for (const [node, report] of Object.entries((await rolloutOf(stack.cloud.store))?.nodes ?? {})) {
    if (report.outcome !== 'enforced' || report.number !== number || told.has(node)) continue
    told.add(node)
    const { flip } = report
    const micro = flip === null ? '' : `, flip ${(flip * 1000).toFixed(0)} µs`
    const after = Date.parse(report.at) - started
    timeline.note(
      `${report.ring} ${node} enforces release ${report.number}, ${after} ms after the push${micro}`,
    )
  }
}

async function tellTraffic(stack: Stack, timeline: Timeline, started: number): Promise<void> {
  const refusedAt = (stats: LaneStats[], node: string) =>
    stats.find((lane) => lane.node === node && lane.name === REFUSED_LANE)?.firstRefusedAtMs ?? undefined
  let stats = await stack.client.stats()
  for (const { name, nodes } of RINGS) {
    const times = nodes.map((node) => refusedAt(stats, node))
    const all = times.every((time) => time !== undefined)
    const words = times.map((time) => (time === undefined ? 'never' : `${time - started} ms`)).join(', ')
    timeline.promise(all, `${name}: the first refused request got 403 ${words} after the push`)
  }
  const order = RINGS.map(({ nodes }) => nodes.map((node) => refusedAt(stats, node) ?? 0))
  const inOrder = order.every(
    (times, index) => index === 0 || Math.min(...times) > Math.max(...(order[index - 1] ?? [])),
  )
  timeline.promise(inOrder, 'no ring refused anything before the ring ahead of it had soaked')
  stats = await stack.client.stats()
  tellLoss(stats, timeline)
}

const total = (stats: LaneStats[], of: (lane: LaneStats) => number) =>
  stats.reduce((sum, lane) => sum + of(lane), 0)

function onlyStatus(stats: LaneStats[], ...allowed: number[]): boolean {
  return stats.every((lane) => Object.keys(lane.status).every((status) => allowed.includes(Number(status))))
}

/** The promise that outranks the others: nobody who may ask has noticed anything. */
export function tellLoss(stats: LaneStats[], timeline: Timeline): void {
  const first = new Set(RINGS[0]?.nodes)
  const isHarmed = (lane: LaneStats) => lane.name === HARMED_LANE && first.has(lane.node)
  const allowed = stats.filter((lane) => lane.name !== REFUSED_LANE && !isHarmed(lane))
  const refused = stats.filter((lane) => lane.name === REFUSED_LANE)
  const requests = total(allowed, (lane) => lane.requests)
  const unhappy = (lane: LaneStats) => lane.lost + lane.broken + lane.connectErrors
  const reconnects = total(allowed, (lane) => lane.connects - lane.connections)
  timeline.promise(
    total(allowed, unhappy) === 0 && onlyStatus(allowed, 200) && reconnects === 0,
    `${requests} allowed requests: ${total(allowed, (lane) => lane.lost)} lost, ${total(allowed, (lane) => lane.broken)} connections broken, ${reconnects} reconnects, slowest ${Math.max(...allowed.map((lane) => lane.slowestMs)).toFixed(0)} ms`,
  )
  const refusals = total(refused, (lane) => lane.status[403] ?? 0)
  timeline.promise(
    total(refused, unhappy) === 0 && onlyStatus(refused, 200, 403) && refusals > 0,
    `${refusals} refused requests: each got its 403, and its connection ended as announced`,
  )
  for (const lane of stats) {
    if (unhappy(lane) > 0) timeline.quote([`${lane.node} ${lane.name}:`, ...lane.troubles].join('\n'))
  }
}
