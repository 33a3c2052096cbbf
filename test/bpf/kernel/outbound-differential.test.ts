/**
 * Kernel = slow path = evaluator, on the client side: generated routes, policies and connections through the real
 * programs and the real relay. Compared, byte for byte: the server that got a request, what it got, what the
 * client got, and the order. Each case runs twice: as the kernel takes it, and by the relay alone.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../../../pipelines/contract/failures.ts'
import { Random } from '../host/streams.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { generatedSet, generatedStretch, type Message, type Stretch } from './outbound-differential-cases.ts'
import type { Job, Result } from './outbound-differential-client.ts'
import { DifferentialNode } from './outbound-differential-node.ts'
import { type Outcome, predicted, type Rules } from './outbound-differential-prediction.ts'
import { type Case, reduced } from './outbound-differential-reduce.ts'
import { CALLERS, type Caller, FRONTS } from './outbound-differential-world.ts'

const DEEP = process.env.HEDDLE_DEEP === '1'
/** Requests; each is sent both ways. */
const CASES = DEEP ? 100_000 : 2_000
const SEED = Number(process.env.HEDDLE_SEED ?? 20261123)
/** At a time. */
const CONNECTIONS = DEEP ? 64 : 32
/** Of all requests, in percent: the others met what only the relay does, a pool that grew, or a pipeline. */
const LEAST_IN_KERNEL = 50

type Way = 'fast' | 'slow'
type Front = (typeof FRONTS)[number]
type Line = { id: number; front: Front; caller: Caller }
type Talk = Line & { stretch: Stretch; outcomes: Outcome[][] }
type Difference = { talk: Talk; way: Way; message: Message | undefined; what: string }

const shown = (bytes: Uint8Array) => JSON.stringify(Buffer.from(bytes).toString('latin1'))

function jobOf({ id, front, stretch, outcomes }: Talk, way: Way): Job {
  const requests = stretch.messages.map(({ head, body, cuts }, i) => ({
    bytes: Buffer.from(head + body, 'latin1').toString('base64'),
    cuts,
    wanted: (outcomes[i] ?? []).flatMap(({ response }) => response?.toString('base64') ?? []),
    reset: (outcomes[i] ?? []).some(({ response }) => response === null),
  }))
  const end = !stretch.last ? 'nobody' : outcomes.at(-1)?.every(({ ends }) => ends) ? 'server' : 'client'
  return {
    id: way === 'slow' ? -id : id,
    host: front.at as string,
    port: front.service.port,
    requests,
    pipelined: stretch.pipelined,
    eager: stretch.eager,
    end,
  }
}

function talkOf(line: Line, stretch: Stretch, rules: readonly Rules[]): Talk {
  const outcomes = stretch.messages.map((message) =>
    rules.flatMap((each) => predicted(each, line.caller, message)),
  )
  /* Behind what may be a reset nothing is said: the two ways would go apart. */
  const reset = outcomes.findIndex((each) => each.some(({ response }) => response === null))
  if (reset < 0) return { ...line, stretch, outcomes: outcomes.map(inOrder) }
  const messages = stretch.messages.slice(0, reset + 1)
  const last = { ...stretch, last: true, messages }
  return { ...line, stretch: last, outcomes: outcomes.slice(0, reset + 1).map(inOrder) }
}

/** A reset is last, as in a job's answers. */
function inOrder(outcomes: Outcome[]): Outcome[] {
  const isReset = ({ response }: Outcome) => response === null
  return [...outcomes.filter((each) => !isReset(each)), ...outcomes.filter(isReset)]
}

/** What the servers say of it: undefined = it is as was predicted. */
function recordedWrongly(
  node: DifferentialNode,
  talk: Talk,
  { which }: Result,
  i: number,
): string | undefined {
  const outcomes = talk.outcomes[i] as Outcome[]
  const { response } = outcomes[which[i] as number] as Outcome
  const records = node.recorded.get(talk.stretch.messages[i]?.id ?? '') ?? []
  const same = (other: Buffer | null) =>
    response === null ? other === null : other?.equals(response) === true
  const possible = outcomes.filter((outcome) => same(outcome.response))
  const fits = possible.some(({ server, request }) =>
    server === null
      ? records.length === 0
      : records.length === 1 &&
        records[0]?.server === server &&
        Buffer.from(records[0].bytes, 'base64').equals(request),
  )
  if (fits) return undefined
  const got = records.map(({ server, bytes }) => `${server} got ${shown(Buffer.from(bytes, 'base64'))}`)
  const wanted = possible.map(({ server, request }) => `${server} was to get ${shown(request)}`)
  return [...(got.length > 0 ? got : ['no server got it']), ...wanted].join('\n')
}

function differenceOf(node: DifferentialNode, talk: Talk, way: Way, result: Result): Difference | undefined {
  const { messages } = talk.stretch
  if (result.why !== undefined) {
    const at = result.which.length
    const wanted = talk.outcomes[at] ?? []
    const got = `${result.why}: ${shown(Buffer.from(result.got ?? '', 'base64'))}`
    const what = [
      got,
      ...wanted.map(({ server, response }) => `by ${server}: ${response ? shown(response) : 'a reset'}`),
    ].join('\n')
    return { talk, way, message: messages[at], what }
  }
  for (const [i, message] of messages.entries()) {
    const what = recordedWrongly(node, talk, result, i)
    if (what !== undefined) return { talk, way, message, what }
  }
  return undefined
}

/** All connections at once, one way; `midway` happens meanwhile. */
async function pass(node: DifferentialNode, talks: readonly Talk[], way: Way, midway?: () => Promise<void>) {
  node.recorded.clear()
  const jobs = CALLERS.map((caller) =>
    talks.filter((talk) => talk.caller === caller).map((talk) => jobOf(talk, way)),
  )
  if (way === 'slow') for (const [i, caller] of CALLERS.entries()) await node.openHeld(caller, jobs[i] ?? [])
  const running = CALLERS.map((caller, i) => node.run(caller, jobs[i] ?? []))
  await midway?.()
  const results = new Map((await Promise.all(running)).flat().map((result) => [Math.abs(result.id), result]))
  const heard = () =>
    talks.every(({ id, outcomes, stretch }) => {
      const { which = [] } = results.get(id) ?? {}
      return which.every((chosen, i) => {
        const local = outcomes[i]?.[chosen]?.server === null
        return local || node.recorded.has(stretch.messages[i]?.id ?? '')
      })
    })
  await node.until(heard, 'every server told what it got').catch(() => {})
  return talks.flatMap((talk) => differenceOf(node, talk, way, results.get(talk.id) as Result) ?? [])
}

async function stageOne(node: DifferentialNode, rules: Rules): Promise<(() => Promise<void>) | undefined> {
  try {
    return await node.stage(rules)
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}

/** A difference alone, on a connection and under a generation of its own. */
async function explained(
  node: DifferentialNode,
  found: Difference,
  possible: readonly Rules[],
): Promise<string> {
  const { way, talk, message } = found
  let id = 1_000_000
  const fails = async (each: Case): Promise<boolean> => {
    const flip = await stageOne(node, each.rules)
    if (!flip) return false
    await flip()
    const line: Line = { ...talk, id: ++id }
    return (await pass(node, [talkOf(line, each.stretch, [each.rules])], way)).length > 0
  }
  const alone = { rules: possible[0] as Rules, stretch: { ...talk.stretch, last: true } }
  const again = await fails(alone)
  /* Each try at what hangs takes as long as patience does. */
  const least = again && !found.what.startsWith('hangs') ? await reduced(alone, fails) : alone
  const client = talk.caller.name
  return [
    `${way} path, client in ${client}, service ${JSON.stringify(talk.front.service)}`,
    `request: ${shown(Buffer.from((message?.head ?? '') + (message?.body ?? ''), 'latin1'))}`,
    found.what,
    again ? 'reduced:' : 'it does not come again alone; all of it:',
    ...(again ? [least.rules] : possible).map((rules) => JSON.stringify(rules)),
    JSON.stringify({ pipelined: least.stretch.pipelined, messages: least.stretch.messages }),
  ].join('\n')
}

function count(
  sums: Record<string, number>,
  before: Record<string, number>,
  after: Record<string, number>,
): void {
  for (const [name, value] of Object.entries(after)) {
    const more = value - (before[name] ?? 0)
    if (more > 0) sums[name] = (sums[name] ?? 0) + more
  }
}

function generatedRules(random: Random): Rules {
  return { set: generatedSet(random), unknown: random.chance(50) ? ['s3'] : [] }
}

function nextLines(random: Random, open: Line[], made: () => number): Line[] {
  const fresh = Array.from({ length: CONNECTIONS - open.length }, () => {
    return { id: made(), front: random.pick(FRONTS), caller: random.pick(CALLERS) }
  })
  return [...open, ...fresh]
}

test('kernel, slow path and evaluator agree on every request of generated connections', {
  skip: whyNoKernel() ?? false,
}, async (t) => {
  const node = await DifferentialNode.create()
  t.after(() => node.close())
  let id = 0
  let cases = 0
  let flips = 0
  let open: Line[] = []
  const carried: Record<Way, Record<string, number>> = { fast: {}, slow: {} }
  for (let round = 0; cases < CASES; round++) {
    const random = new Random(SEED + round)
    const rules = generatedRules(random)
    const flip = await stageOne(node, rules)
    if (!flip) continue
    /* In every fourth round the generation changes while requests run, there and back. */
    const other = generatedRules(random)
    const flipOther = random.chance(25) ? await stageOne(node, other) : undefined
    const possible = flipOther ? [rules, other] : [rules]
    const lines = nextLines(random, open, () => ++id)
    const talks = lines.map((line) =>
      talkOf(line, generatedStretch(random, line.front.service, `${round}.${line.id}`), possible),
    )
    open = lines.filter((_, i) => !talks[i]?.stretch.last)
    await flip()
    for (const way of ['fast', 'slow'] as const) {
      const before = node.ways()
      const found = await pass(node, talks, way, way === 'fast' ? flipOther : flipOther && flip)
      count(carried[way], before, node.ways())
      const [first] = found
      if (first)
        assert.fail(
          `seed ${SEED}, round ${round}, ${found.length} differ\n${await explained(node, first, possible)}`,
        )
    }
    cases += talks.reduce((sum, { stretch }) => sum + stretch.messages.length, 0)
    flips += possible.length
  }
  t.diagnostic(
    `${cases} cases both ways, ${flips} generations; by the kernel's own count: ${JSON.stringify(carried)}`,
  )
  const { KERNEL_ROUTED = 0, KERNEL_ANSWERED = 0 } = carried.fast
  const inKernel = Math.floor((100 * (KERNEL_ROUTED + KERNEL_ANSWERED)) / cases)
  assert.ok(inKernel >= LEAST_IN_KERNEL, `the kernel took ${inKernel} % of all cases`)
  assert.deepEqual(Object.keys(carried.slow), ['SLOW_FOLLOWS'], 'the kernel took part on the slow path')
})
