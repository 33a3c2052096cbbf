/** Scene: a pushed route sends part of a service's requests to another version, on a client's live connection. */
import { join } from 'node:path'
import { askRelay } from '../../agent/relay/stats.ts'
import { parseStats, type RelayStats } from '../node/stats.ts'
import { type Answer, startCaller } from './callers.ts'
import { ROUTE, ROUTE_FILE, V2_PREFIX } from './demo-policies.ts'
import { FRONT } from './fleet.ts'
import type { LocalNode } from './nodes.ts'
import { within } from './observe.ts'
import type { Stack } from './stack.ts'
import type { Timeline } from './timeline.ts'

const DEADLINE_MS = 15_000
/** Answers that are waited for before the push, and after the flip. */
const ENOUGH = 100
const TARGETS = ['/public/v1/items', `${V2_PREFIX}/items`]

export async function pushRoute(stack: Stack, timeline: Timeline): Promise<void> {
  const node = stack.nodes[0]
  if (node === undefined) throw new Error('a stack without nodes')
  const before = await statsOf(node)
  const { running, answers } = startCaller(node, 'caller', TARGETS)
  const enough = (than: number) => within(DEADLINE_MS, () => answers().length >= than + ENOUGH || undefined)
  if ((await enough(0)) === undefined) throw new Error(`the caller gets no answers:\n${running.lastLines(5)}`)
  timeline.note(`a client on ${node.name} asks ${FRONT.address}:${FRONT.port} over one kept-alive connection`)
  const started = Date.now()
  const push = await stack.cloud.clone.push({ [ROUTE_FILE]: ROUTE }, `Send ${V2_PREFIX} to version 2`)
  timeline.quote(push.said)
  const flipped = await within(DEADLINE_MS, () => answers().find(isSecond))
  await enough(answers().length)
  await running.stop()
  timeline.promise(
    flipped !== undefined,
    `${V2_PREFIX}/… is answered by version 2, ${(flipped?.at ?? Number.NaN) - started} ms after the push; before it was version 1`,
  )
  tellAnswers(answers(), timeline)
  tellWays(before, await statsOf(node), timeline)
}

const isSecond = ({ target, body = '' }: Answer) =>
  target.startsWith(V2_PREFIX) && / v2 GET \/public\/v2\//.test(body)

/** Each by the version that the route names at that moment, on one connection, none lost. */
function tellAnswers(answers: readonly Answer[], timeline: Timeline): void {
  const flip = answers.findIndex(isSecond)
  const misled = answers.filter((answer, index) => {
    const version = index >= flip && answer.target.startsWith(V2_PREFIX) ? 'v2' : 'v1'
    return !answer.body?.endsWith(` ${version} GET ${answer.target}`)
  })
  const lost = answers.filter(({ status }) => status !== 200)
  const connections = new Set(answers.map(({ from }) => from)).size
  timeline.promise(
    lost.length === 0 && misled.length === 0 && connections === 1,
    `${answers.length} requests on ${connections} connection: ${lost.length} lost, ${misled.length} to the wrong version`,
  )
  for (const { target, status, body, error } of [...lost, ...misled].slice(0, 5))
    timeline.quote(`${target}: ${status ?? error} ${body ?? ''}`)
}

function tellWays(before: RelayStats, after: RelayStats, timeline: Timeline): void {
  const [first, last] = [waysOf(before), waysOf(after)]
  const kernel = last.kernel - first.kernel
  const relay = last.relay - first.relay
  timeline.promise(
    kernel > relay,
    `${kernel} requests went from process to process in the kernel, ${relay} by way of the relay (heddle node stats says why)`,
  )
}

function waysOf({ outbound }: RelayStats): { kernel: number; relay: number } {
  const relay = Object.values(outbound?.requests ?? {}).reduce((sum, count) => sum + count, 0)
  return { kernel: outbound?.counters['KERNEL_ROUTED'] ?? 0, relay }
}

async function statsOf(node: LocalNode): Promise<RelayStats> {
  return parseStats(await askRelay(join(node.dir, 'relay.sock')))
}
