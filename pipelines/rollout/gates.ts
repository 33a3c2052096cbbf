/**
 * Gates: what the nodes with the release say of it, held against the plan's limits and against the
 * nodes without it (decisions.md 21). Pure: no traffic holds, a lost signal pauses, harm trips.
 */
import type { Measures } from '../contract/release.ts'
import { percentile } from './latency.ts'
import { type Check, type Gates, healthyOf, type Ring, type RolloutPlan } from './plan.ts'
import { shadowRing, shadowSum } from './shadows.ts'
import { type Current, enforces, hasFailed, type NodeFact, type RolloutState } from './state.ts'

export const GATES = [
  'unintended',
  'errors',
  'p99',
  'trips',
  'health',
  'attached',
  'lost',
  'traffic',
  'check',
  'shadow',
] as const
export type Gate = (typeof GATES)[number]

/** `trip`: what runs does harm, go back. `pause`: a human should look. `hold`: not enough is known yet. */
export type Finding = { gate: Gate; verdict: 'trip' | 'pause' | 'hold'; why: string }

type Sums = Omit<Measures, 'from' | 'to'>

/** Everything that speaks against leaving the ring now; the gravest first. */
export function judge(state: RolloutState, plan: RolloutPlan, current: Current, now: number): Finding[] {
  const taken = plan.rings.slice(0, current.at + 1)
  const found = [...sickNodes(state, taken, current, plan.gates, now)]
  if (current.kind === 'release') {
    found.push(...harm(state, plan, current), ...checks(state, plan.gates.checks, current))
    found.push(...shadowed(state, plan, current))
  }
  const rank = { trip: 0, pause: 1, hold: 2 }
  return found.sort((a, b) => rank[a.verdict] - rank[b.verdict])
}

/** Nodes that failed or fell silent, where a ring has more of them than it may. */
function* sickNodes(
  state: RolloutState,
  rings: readonly Ring[],
  current: Current,
  { lostMs }: Gates,
  now: number,
): Generator<Finding> {
  for (const ring of rings) {
    const spare = ring.nodes.length - healthyOf(ring)
    const failed = ring.nodes.flatMap((node) => {
      const fact = state.nodes[node]
      return fact !== undefined && hasFailed(fact, current.number) ? [{ node, fact }] : []
    })
    const [first] = failed
    if (first !== undefined && failed.length > spare) {
      const gate = first.fact.code === 'attached-differs' ? 'attached' : 'health'
      yield { gate, verdict: 'pause', why: `${first.node} says ${first.fact.code ?? first.fact.outcome}` }
    }
    if (lostMs === undefined) continue
    const heard = (node: string) => state.nodes[node]?.heard ?? current.begunAt
    const lost = ring.nodes.filter((node) => now - Math.max(heard(node), current.begunAt) > lostMs)
    if (lost[0] !== undefined && lost.length > spare) {
      const silent = Math.round((now - heard(lost[0])) / 1000)
      yield { gate: 'lost', verdict: 'pause', why: `nothing was heard of ${lost[0]} for ${silent} s` }
    }
  }
}

function* harm(state: RolloutState, { rings, gates }: RolloutPlan, current: Current): Generator<Finding> {
  const all = rings.flatMap(({ nodes }) => nodes).flatMap((node) => state.nodes[node] ?? [])
  const changed = sumOf(all.filter((fact) => enforces(fact, current.number)))
  const others = sumOf(all.filter((fact) => !enforces(fact, current.number)))
  if (changed.judged < gates.minimumSamples) {
    const why = `${Math.floor(changed.judged)} of ${gates.minimumSamples} requests judged so far`
    yield { gate: 'traffic', verdict: 'hold', why }
    return
  }
  const comparable = others.judged >= Math.max(1, gates.minimumSamples)
  const shares = [
    [
      'unintended',
      gates.unintended,
      share(changed.unintended, changed.judged),
      share(others.unintended, others.judged),
    ],
    [
      'errors',
      gates.errors,
      share(changed.errors, changed.responses),
      share(others.errors, others.responses),
    ],
  ] as const
  for (const [gate, limit, now, before] of shares) {
    if (limit === undefined) continue
    if (now > limit.most) yield trip(gate, `${percent(now)} ${WORDS[gate]}, at most ${percent(limit.most)}`)
    else if (limit.more !== undefined && comparable && now > before + limit.more)
      yield trip(gate, `${percent(now)} ${WORDS[gate]}, ${percent(before)} where nothing has changed`)
  }
  yield* slowness(gates, changed, comparable ? others : undefined)
  if (gates.trips !== undefined && changed.trips > gates.trips.most)
    yield trip(
      'trips',
      `${changed.trips} endpoints or services were taken out for their errors, at most ${gates.trips.most}`,
    )
}

function* slowness({ p99: limit }: Gates, changed: Sums, others: Sums | undefined): Generator<Finding> {
  const now = percentile(changed.latency, 0.99)
  if (limit === undefined || now === undefined) return
  const before = others && percentile(others.latency, 0.99)
  if (limit.mostMs !== undefined && now > limit.mostMs) {
    yield trip('p99', `${milliseconds(now)}, at most ${milliseconds(limit.mostMs)}`)
  } else if (limit.times !== undefined && before !== undefined && now > before * limit.times) {
    yield trip('p99', `${milliseconds(now)}, ${milliseconds(before)} where nothing has changed`)
  }
}

/** Asked before the ring takes it, where there is something to compare it with. */
function* shadowed(state: RolloutState, plan: RolloutPlan, current: Current): Generator<Finding> {
  const { shadow: limits } = plan.gates
  const ring = shadowRing(state, plan)
  if (limits === undefined || ring === undefined) return
  const seen = shadowSum(state, ring, current)
  if (seen.compared < limits.minimumSamples) {
    const why = `${seen.compared} of ${limits.minimumSamples} verdicts compared so far`
    yield { gate: 'shadow', verdict: 'hold', why }
    return
  }
  const denies = share(seen.unintended, seen.compared)
  if (limits.newDenies !== undefined && denies > limits.newDenies)
    yield trip('shadow', `${percent(denies)} of the verdicts would refuse what is let in now`)
  const allows = share(seen.newAllows, seen.compared)
  if (limits.newAllows !== undefined && allows > limits.newAllows)
    yield trip('shadow', `${percent(allows)} of the verdicts would let in what is refused now`)
}

/** An answer counts for the rollout that it was asked about. */
function* checks(state: RolloutState, asked: readonly Check[], current: Current): Generator<Finding> {
  for (const { name } of asked) {
    const answer = state.answers[name]
    if (answer?.rollout !== `${current.id}/${current.at}`) {
      yield { gate: 'check', verdict: 'hold', why: `${name} has not answered yet` }
    } else if (!answer.ok) yield { gate: 'check', verdict: 'hold', why: `${name}: ${answer.why}` }
  }
}

/**
 * How much more one node may count than the middle one: who claims to have judged a billion requests
 * must not hide what the others say, nor speak for them.
 */
const MAX_WEIGHT = 4

function sumOf(facts: readonly NodeFact[]): Sums {
  const counts = facts
    .flatMap(({ measures }) => (measures === null ? [] : [measures.judged]))
    .sort((a, b) => a - b)
  const most = MAX_WEIGHT * (counts[Math.floor((counts.length - 1) / 2)] ?? 0)
  const sums: Sums = { judged: 0, refused: 0, unintended: 0, responses: 0, errors: 0, latency: [], trips: 0 }
  for (const { measures } of facts) {
    if (measures === null) continue
    const weight = most > 0 && measures.judged > most ? most / measures.judged : 1
    for (const name of ['judged', 'refused', 'unintended', 'responses', 'errors'] as const) {
      sums[name] += weight * measures[name]
    }
    sums.trips += measures.trips
    for (const [bucket, count] of measures.latency.entries()) {
      sums.latency[bucket] = (sums.latency[bucket] ?? 0) + weight * count
    }
  }
  return sums
}

const WORDS = { unintended: 'of the requests were refused unintended', errors: 'of the responses are 5xx' }
const trip = (gate: Gate, why: string): Finding => ({ gate, verdict: 'trip', why })
const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)
const percent = (value: number): string => `${(value * 100).toFixed(2)} %`
const milliseconds = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`
