/**
 * Steps of a rollout: reports in, decisions carried out. Pure: the same state, report and moment give
 * the same state, whoever asks and however often.
 */
import type { Report } from '../contract/release.ts'
import { end, revert } from './begin.ts'
import { type Decision, decide, type Moment } from './decide.ts'
import type { RolloutPlan } from './plan.ts'
import { append, type Current, type Answer, KEPT, type NodeFact, nameOf, type RolloutState } from './state.ts'
import { throughOf } from './turns.ts'

/** While nothing is under way, a node's numbers are not news; that it is alive is, this often (ms). */
const HEARD_MS = 10_000

/** For how long one report may overtake another (ms). */
const OVERTAKE_MS = 60_000

/** Takes a report in, unless a later one of that node is here or the node is not in that ring. */
export function observe(state: RolloutState, plan: RolloutPlan, report: Report, now: number): RolloutState {
  const ring = plan.rings.find(({ name, nodes }) => name === report.ring && nodes.includes(report.node))
  const known = state.nodes[report.node]
  const fact = factOf(report, plan, now)
  if (ring === undefined || (known !== undefined && !isLater(fact, known, now))) return state
  if (known !== undefined && saysTheSame(fact, known) && !isAwaited(state, known, now)) return state
  return { ...state, revision: state.revision + 1, nodes: { ...state.nodes, [report.node]: fact } }
}

/** Takes in what an external check says of the ring that soaks now. */
export function answered(state: RolloutState, name: string, answer: Answer): RolloutState {
  return { ...state, revision: state.revision + 1, answers: { ...state.answers, [name]: answer } }
}

/** Does what `decide` says, until that is to wait. Returns the same state when nothing changes. */
export function step(
  state: RolloutState,
  plan: RolloutPlan,
  moment: Moment,
): { state: RolloutState; until: number | null } {
  let next = state
  for (;;) {
    const { current } = next
    if (current === null || current.state === 'done') return { state: next, until: null }
    const decision = decide(next, plan, moment)
    const after = carryOut(next, plan, current, decision, moment.now)
    if (decision.kind === 'hold') return { state: after, until: decision.until }
    if (decision.kind === 'pause') return { state: after, until: null }
    next = after
  }
}

function carryOut(
  state: RolloutState,
  plan: RolloutPlan,
  current: Current,
  decision: Decision,
  now: number,
): RolloutState {
  switch (decision.kind) {
    case 'advance':
      if (decision.to === 'turn') return tell(state, plan, current, decision.nodes)
      if (decision.to === 'soaked') return soaked(state, plan, current)
      return advance(state, plan, current, now)
    case 'revert': {
      const base = state.succeeded[plan.rings[current.at]?.name ?? '']
      if (base === undefined) return state
      return revert(state, plan, { to: base, outcome: 'rolled-back', why: decision.why, deny: true }, now)
    }
    case 'pause':
      return wait(state, current, { state: 'paused', holdsSince: null, why: decision.why })
    case 'hold': {
      const holdsSince = decision.soaking ? (current.holdsSince ?? now) : null
      const name = decision.soaking ? 'soaking' : 'releasing'
      return wait(state, current, { state: name, holdsSince, why: decision.why })
    }
  }
}

function wait(
  state: RolloutState,
  current: Current,
  now: Pick<Current, 'state' | 'holdsSince' | 'why'>,
): RolloutState {
  const same = now.state === current.state && now.holdsSince === current.holdsSince && now.why === current.why
  if (same) return state
  return { ...state, revision: state.revision + 1, current: { ...current, ...now } }
}

/** More nodes of the ring are told; they have to soak, too. */
function tell(state: RolloutState, plan: RolloutPlan, current: Current, nodes: number): RolloutState {
  const ring = plan.rings[current.at]
  if (ring === undefined) return state
  const through = throughOf(current.id, ring.nodes, nodes)
  const released = { ...state.released, [ring.name]: { ...nameOf(current), nodes, through } }
  const next = { ...current, holdsSince: null }
  return { ...state, revision: state.revision + 1, released, current: next }
}

function soaked(state: RolloutState, plan: RolloutPlan, current: Current): RolloutState {
  const told = state.released[plan.rings[current.at]?.name ?? '']?.nodes ?? 0
  return { ...state, revision: state.revision + 1, current: { ...current, soaked: told, holdsSince: null } }
}

function advance(state: RolloutState, plan: RolloutPlan, current: Current, now: number): RolloutState {
  const ring = plan.rings[current.at]
  if (ring === undefined) return state
  const revision = state.revision + 1
  const last = current.at + 1 >= plan.rings.length
  if (current.kind === 'rollback') {
    const succeeded = { ...state.succeeded, [ring.name]: { ...nameOf(current), basis: current.basis } }
    return { ...finish(state, plan, current, now), revision, succeeded }
  }
  const succeeded = { ...state.succeeded, [ring.name]: { ...nameOf(current), basis: null } }
  if (last) {
    const completed = append(state.completed, nameOf(current), KEPT.completed)
    return { ...finish(state, plan, current, now), revision, succeeded, completed }
  }
  const next: Current = {
    ...current,
    at: current.at + 1,
    soaked: 0,
    holdsSince: null,
    promoted: null,
    why: '',
  }
  return { ...state, revision, succeeded, current: { ...next, state: 'releasing' } }
}

function finish(state: RolloutState, plan: RolloutPlan, current: Current, now: number): RolloutState {
  const done: Current = { ...current, state: 'done', holdsSince: null, promoted: null, held: null }
  const why = current.kind === 'rollback' ? current.why : ''
  return { ...state, current: done, ended: end(state, plan, { outcome: 'done', why }, now) }
}

function factOf(report: Report, { gates }: RolloutPlan, now: number): NodeFact {
  const { ring, at, sequence, outcome, number, artifact, failure, timings, measures, shadow } = report
  const code = failure?.code ?? null
  const flip = timings['flip'] ?? null
  // Of a fleet's buckets the state would be megabytes: kept where a gate asks for them.
  const kept = measures && { ...measures, latency: gates.p99 === undefined ? [] : measures.latency }
  return {
    ring,
    at: timeOf(at, now),
    sequence,
    outcome,
    number,
    artifact,
    code,
    heard: now,
    flip,
    measures: kept,
    shadow,
  }
}

/**
 * By the node's clock, then its sequence: reports may come in any order, and a new disk counts from 1.
 * After a while without a later one the sequence alone decides: the node's clock was set back.
 */
function isLater(fact: NodeFact, known: NodeFact, now: number): boolean {
  const difference = Date.parse(fact.at) - Date.parse(known.at)
  const counted = fact.sequence > known.sequence
  return difference > 0 || (counted && (difference === 0 || now - known.heard > OVERTAKE_MS))
}

/** A clock that is ahead must not make all later reports old ones: nobody reports from the future. */
function timeOf(at: string, now: number): string {
  const said = Date.parse(at)
  return new Date(Number.isNaN(said) ? now : Math.min(said, now)).toISOString()
}

/** Enforced first, unchanged from then on: the same fact. */
function saysTheSame(fact: NodeFact, known: NodeFact): boolean {
  const words = ({ outcome, number, artifact, code }: NodeFact) =>
    [outcome === 'unchanged' ? 'enforced' : outcome, number, artifact, code].join()
  return words(fact) === words(known)
}

/** While gates judge, every number counts; else a sign of life now and then is enough. */
function isAwaited({ current }: RolloutState, known: NodeFact, now: number): boolean {
  if (current !== null && current.state !== 'done') return true
  return now - known.heard >= HEARD_MS
}
