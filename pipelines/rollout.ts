/**
 * Rollout: one release travelling through the rings. Pure: (state, reports, now) → decision. The
 * state is all there is; what the store and the nodes are told follows from it, so that whoever
 * crashed in between only has to be asked again.
 */
import { z } from 'zod'
import { Digest } from './contract/artifact.ts'
import type { RingProgress } from './contract/commit-status.ts'
import { Report, RingName } from './contract/release.ts'

/** Rings in rollout order, with the nodes that belong to them. */
export const Ring = z.strictObject({ name: RingName, nodes: z.array(z.string()) })
export type Ring = z.infer<typeof Ring>
export type RolloutPlan = { rings: readonly Ring[]; soakMs: number }

const Named = z.strictObject({ id: z.string(), number: z.int(), commit: z.string(), artifact: Digest })
/** What a ring is told to run. */
export type NamedRelease = z.infer<typeof Named>

const Current = Named.extend({
  /** Index of the ring that is taking the release; all rings before it have soaked. */
  at: z.int(),
  /** Milliseconds since the epoch: since when the gate holds without a break. */
  holdsSince: z.number().nullable(),
  state: z.enum(['releasing', 'soaking', 'paused', 'done']),
})

export const RolloutState = z.strictObject({
  schema: z.literal('heddle.rollout/1'),
  /** Grows with every change. */
  revision: z.int(),
  current: Current.nullable(),
  /** A rollout that a newer commit cut short. */
  superseded: Named.nullable(),
  /** Ring → its release, and the last release that it soaked with. */
  released: z.record(z.string(), Named),
  succeeded: z.record(z.string(), Named),
  /** Node → its latest report. */
  reports: z.record(z.string(), Report),
})
export type RolloutState = z.infer<typeof RolloutState>

export const NO_ROLLOUT: RolloutState = {
  schema: 'heddle.rollout/1',
  revision: 0,
  current: null,
  superseded: null,
  released: {},
  succeeded: {},
  reports: {},
}

export type Decision =
  | { kind: 'advance' }
  /** Wait; `until` (ms since the epoch) when time alone may change the decision. */
  | { kind: 'hold'; until: number | null }
  | { kind: 'pause'; node: string; why: string }

/** A new rollout, in the first ring. Its number is higher than every number before it. */
export function begin(
  state: RolloutState,
  plan: RolloutPlan,
  what: { commit: string; artifact: Digest },
): RolloutState {
  const numbers = Object.values(state.released).map((release) => release.number)
  const number = Math.max(0, state.current?.number ?? 0, ...numbers) + 1
  const { commit, artifact } = what
  const named = { id: `${number}-${commit.slice(0, 12)}`, number, commit, artifact }
  const cut =
    state.current !== null && state.current.state !== 'done' ? name(state.current) : state.superseded
  return release(
    {
      ...state,
      revision: state.revision + 1,
      superseded: cut,
      current: { ...named, at: 0, holdsSince: null, state: 'releasing' },
    },
    plan,
  )
}

/**
 * Takes a report in, unless a later one of that node is here or the node is not in that ring. Nodes
 * repeat themselves: what says nothing new changes nothing, not even the time.
 */
export function observe(state: RolloutState, plan: RolloutPlan, report: Report): RolloutState {
  const ring = plan.rings.find(({ name, nodes }) => name === report.ring && nodes.includes(report.node))
  const known = state.reports[report.node]
  if (ring === undefined || (known !== undefined && (!isLater(report, known) || saysTheSame(report, known))))
    return state
  return { ...state, revision: state.revision + 1, reports: { ...state.reports, [report.node]: report } }
}

/** May the rollout leave its ring? Says what is so now; changes nothing. */
export function decide(state: RolloutState, plan: RolloutPlan, now: number): Decision {
  const current = state.current
  if (current === null || current.state === 'done') return { kind: 'hold', until: null }
  const taken = plan.rings.slice(0, current.at + 1).flatMap((ring) => ring.nodes)
  for (const node of taken) {
    const report = state.reports[node]
    if (report !== undefined && hasFailed(report, current.number)) {
      return { kind: 'pause', node, why: report.failure?.code ?? report.outcome }
    }
  }
  if (!taken.every((node) => enforces(state.reports[node], current.number)))
    return { kind: 'hold', until: null }
  const until = (current.holdsSince ?? now) + plan.soakMs
  return now >= until ? { kind: 'advance' } : { kind: 'hold', until }
}

/** Does what `decide` says, as often as it says advance. Returns the same state when nothing changes. */
export function step(
  state: RolloutState,
  plan: RolloutPlan,
  now: number,
): { state: RolloutState; until: number | null } {
  let next = state
  for (;;) {
    const decision = decide(next, plan, now)
    const current = next.current
    if (current === null || current.state === 'done') return { state: next, until: null }
    if (decision.kind === 'advance') {
      next = advance(next, plan)
      continue
    }
    const soaking = decision.kind === 'hold' && decision.until !== null
    const changed = {
      ...current,
      state:
        decision.kind === 'pause'
          ? ('paused' as const)
          : soaking
            ? ('soaking' as const)
            : ('releasing' as const),
      holdsSince: soaking ? (current.holdsSince ?? now) : null,
    }
    if (changed.state !== current.state || changed.holdsSince !== current.holdsSince) {
      next = { ...next, revision: next.revision + 1, current: changed }
    }
    return { state: next, until: decision.kind === 'hold' ? decision.until : null }
  }
}

/** How far each ring is, for the commit's status. */
export function progress(state: RolloutState, plan: RolloutPlan): RingProgress[] {
  const current = state.current
  if (current === null) return []
  return plan.rings.map((ring, index) => ({
    ring: ring.name,
    state:
      index < current.at || current.state === 'done'
        ? 'done'
        : index > current.at
          ? 'waiting'
          : current.state,
    enforced: ring.nodes.filter((node) => enforces(state.reports[node], current.number)).length,
    nodes: ring.nodes.length,
  }))
}

function advance(state: RolloutState, plan: RolloutPlan): RolloutState {
  const current = state.current
  const ring = current === null ? undefined : plan.rings[current.at]
  if (current === null || ring === undefined) return state
  const succeeded = { ...state.succeeded, [ring.name]: name(current) }
  const last = current.at + 1 >= plan.rings.length
  const next = last
    ? { ...current, state: 'done' as const, holdsSince: null }
    : { ...current, at: current.at + 1, state: 'releasing' as const, holdsSince: null }
  return release({ ...state, revision: state.revision + 1, succeeded, current: next }, plan)
}

/** The current ring's release is the current rollout's. */
function release(state: RolloutState, plan: RolloutPlan): RolloutState {
  const current = state.current
  const ring = current === null ? undefined : plan.rings[current.at]
  if (current === null || ring === undefined) return state
  return { ...state, released: { ...state.released, [ring.name]: name(current) } }
}

function name({ id, number, commit, artifact }: NamedRelease): NamedRelease {
  return { id, number, commit, artifact }
}

/** By the node's clock, then its sequence: reports may come in any order, and a new disk counts from 1. */
function isLater(report: Report, known: Report): boolean {
  const difference = Date.parse(report.at) - Date.parse(known.at)
  return difference > 0 || (difference === 0 && report.sequence > known.sequence)
}

/** Enforced first, unchanged from then on: the same fact. */
function saysTheSame(report: Report, known: Report): boolean {
  const fact = ({ outcome, number, artifact, failure }: Report) =>
    [outcome === 'unchanged' ? 'enforced' : outcome, number, artifact, failure?.code].join()
  return fact(report) === fact(known)
}

function enforces(report: Report | undefined, number: number): boolean {
  if (report === undefined) return false
  return (report.outcome === 'enforced' || report.outcome === 'unchanged') && report.number === number
}

/** A failure over an older release says nothing against this one: it only keeps the gate shut. */
function hasFailed(report: Report, number: number): boolean {
  const failed = report.outcome === 'refused' || report.outcome === 'failed'
  return failed && (report.number === null || report.number >= number)
}
