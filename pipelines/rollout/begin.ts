/** Beginnings: a new release, and the way back to an older one. */
import type { Digest } from '../contract/artifact.ts'
import { LAST_TURN } from '../contract/release.ts'
import type { RolloutPlan } from './plan.ts'
import {
  append,
  type Current,
  type Ended,
  isDenied,
  KEPT,
  type Named,
  nameOf,
  type RolloutState,
} from './state.ts'

type What = { commit: string; artifact: Digest }
type Outcome = Ended['outcome']
/** `to` with the number under which it was soaked with, where that is another than its own. */
export type Back = {
  to: Named & { basis?: number | null }
  outcome: Outcome
  why: string
  deny: boolean
  only?: boolean
}

/**
 * A new rollout; no ring has it yet. One that it cuts short goes back to what its ring ran before: at
 * any time at most one ring runs what it has not soaked with. A denied artifact changes nothing.
 */
export function begin(state: RolloutState, plan: RolloutPlan, what: What, now: number): RolloutState {
  if (isDenied(state, what.artifact)) return state
  const cut = supersede(state, plan, now)
  return {
    ...cut,
    revision: cut.revision + 1,
    number: cut.number + 1,
    current: { ...named(cut.number + 1, what), ...FRESH, begunAt: now },
  }
}

/**
 * Back to `to` in every ring that was told of the current release, at once and under a new, higher
 * number (decisions.md 3). What is left behind is denied until a new commit makes a new artifact.
 */
export function revert(state: RolloutState, plan: RolloutPlan, back: Back, now: number): RolloutState {
  const { current } = state
  if (current === null) return state
  const { to, outcome, why, deny } = back
  const number = state.number + 1
  const next: Current = {
    ...named(number, to),
    ...FRESH,
    begunAt: now,
    kind: 'rollback',
    basis: to.basis ?? to.number,
    at: current.at,
    why,
  }
  const bad = { ...nameOf(current), why, at: now }
  return {
    ...state,
    ...tellRings(state, plan, next, back.only),
    revision: state.revision + 1,
    number,
    current: next,
    denied: deny && !isDenied(state, bad.artifact) ? append(state.denied, bad, KEPT.denied) : state.denied,
    // Also what was done before: that it was in every ring is not its end any more.
    ended: end(state, plan, { outcome, why }, now),
  }
}

/** The ended ones with the current one among them. */
export function end(
  state: RolloutState,
  plan: RolloutPlan,
  { outcome, why }: { outcome: Outcome; why: string },
  now: number,
): RolloutState['ended'] {
  const { current } = state
  if (current === null) return state.ended
  const { kind, begunAt, at } = current
  const ring = plan.rings[at]?.name ?? ''
  return append(
    state.ended,
    { ...nameOf(current), kind, outcome, ring, why, begunAt, endedAt: now },
    KEPT.ended,
  )
}

const FRESH = {
  kind: 'release',
  basis: null,
  at: 0,
  soaked: 0,
  holdsSince: null,
  state: 'releasing',
  why: '',
  held: null,
  promoted: null,
  shadowed: null,
} as const

function named(number: number, { commit, artifact }: What): Named {
  return { id: `${number}-${commit.slice(0, 12)}`, number, commit, artifact }
}

/**
 * Rings up to the rollback's are told at once: each of them has soaked with that artifact before, and
 * its nodes are shown so. `only`: the last of them alone goes back.
 */
function tellRings(
  state: RolloutState,
  plan: RolloutPlan,
  next: Current,
  only = false,
): Pick<RolloutState, 'released' | 'succeeded'> {
  const released = { ...state.released }
  const succeeded = { ...state.succeeded }
  const { basis } = next
  for (const [index, ring] of plan.rings.slice(0, next.at + 1).entries()) {
    const last = index === next.at
    if (last || !only) {
      released[ring.name] = { ...nameOf(next), nodes: ring.nodes.length, through: LAST_TURN }
    }
    if (!last) succeeded[ring.name] = { ...nameOf(next), basis }
  }
  return { released, succeeded }
}

/** In the first ring the new release takes its place itself; further on, the ring goes back. */
function supersede(state: RolloutState, plan: RolloutPlan, now: number): RolloutState {
  const { current } = state
  if (current === null || current.state === 'done') return state
  const why = 'a newer commit is delivered'
  const ring = plan.rings[current.at]?.name ?? ''
  const base = state.succeeded[ring]
  const told = state.released[ring]?.number === current.number
  if (current.kind === 'release' && current.at > 0 && told && base !== undefined) {
    return revert(state, plan, { to: base, outcome: 'superseded', why, deny: false, only: true }, now)
  }
  return { ...state, ended: end(state, plan, { outcome: 'superseded', why }, now) }
}
