/** May the rollout go on? (state, plan, moment) → decision. Says what is so now; changes nothing. */
import { judge } from './gates.ts'
import { fleetSize, healthyOf, nodesOf, type Ring, type RolloutPlan, soakOf } from './plan.ts'
import { type Current, enforces, isDenied, type RolloutState } from './state.ts'
import { firstInTurn } from './turns.ts'

/** Now, and until when no ring may take a release (both ms since the epoch; null = now it may). */
export type Moment = { now: number; frozenUntil: number | null }

export type Decision =
  /** More nodes of the ring take the release: as many in all. */
  | { kind: 'advance'; to: 'turn'; nodes: number }
  /** The ring has soaked. */
  | { kind: 'advance'; to: 'ring' }
  /** Those that have it have soaked; more of the ring may follow. */
  | { kind: 'advance'; to: 'soaked' }
  /** Wait; `until` (ms since the epoch) when time alone may change the decision. */
  | { kind: 'hold'; until: number | null; soaking: boolean; why: string }
  /** A human should look; goes on by itself when what was wrong is right again. */
  | { kind: 'pause'; why: string }
  | { kind: 'revert'; why: string }

const hold = (why: string, until: number | null = null, soaking = false): Decision => ({
  kind: 'hold',
  until,
  soaking,
  why,
})

export function decide(state: RolloutState, plan: RolloutPlan, moment: Moment): Decision {
  const { current } = state
  const ring = current === null ? undefined : plan.rings[current.at]
  if (current === null || current.state === 'done' || ring === undefined) return hold('')
  const found = judge(state, plan, current, moment.now)
  const [gravest] = found
  if (gravest?.verdict === 'trip') {
    const why = `gate ${gravest.gate}: ${gravest.why}`
    return canRevert(state, plan, current)
      ? { kind: 'revert', why }
      : { kind: 'pause', why: `${why}; there is no earlier release to go back to` }
  }
  if (gravest?.verdict === 'pause') return { kind: 'pause', why: `gate ${gravest.gate}: ${gravest.why}` }
  if (current.kind === 'rollback') return wayBack(state, plan, current)
  if (current.held !== null) return { kind: 'pause', why: `${current.held.by}: ${current.held.why}` }
  const stopped = state.stopped && `stopped by ${state.stopped.by}: ${state.stopped.why}`
  const blocked = stopped !== null ? hold(stopped) : frozen(moment)
  const waits = awaitNodes(state, ring, current)
  if (waits !== undefined) return waits
  const told = state.released[ring.name]?.number === current.number ? state.released[ring.name]?.nodes : 0
  const shadow = found.find(({ gate, verdict }) => gate === 'shadow' && verdict === 'hold')
  if (!told && shadow !== undefined) return hold(`in shadow in ${ring.name}: ${shadow.why}`)
  const more = nextTurn(plan, ring, current, told ?? 0)
  if (more > (told ?? 0)) return blocked ?? { kind: 'advance', to: 'turn', nodes: more }
  return leaveRing(plan, current, { ring, told: told ?? 0, blocked, gate: gravest?.why, now: moment.now })
}

type Leaving = {
  ring: Ring
  told: number
  blocked: Decision | undefined
  gate: string | undefined
  now: number
}

/** All that were told have the release: they soak, then more of the ring follow, or the next one. */
function leaveRing(plan: RolloutPlan, current: Current, leaving: Leaving): Decision {
  const { ring, told, blocked, gate, now } = leaving
  if (current.promoted === null) {
    const until = (current.holdsSince ?? now) + soakOf(plan, ring)
    if (now < until) return hold(`soaks in ${ring.name}`, until, true)
    if (gate !== undefined) return hold(gate, null, true)
  }
  if (told < ring.nodes.length) return { kind: 'advance', to: 'soaked' }
  const last = current.at + 1 >= plan.rings.length
  return last ? { kind: 'advance', to: 'ring' } : (soakedOn(blocked) ?? { kind: 'advance', to: 'ring' })
}

/** Time that passes while the next ring may not begin is not a break of the gate. */
function soakedOn(blocked: Decision | undefined): Decision | undefined {
  return blocked?.kind === 'hold' ? { ...blocked, soaking: true } : blocked
}

/** Nothing holds up a way back: it is over when its nodes have it. */
function wayBack(state: RolloutState, plan: RolloutPlan, current: Current): Decision {
  const waits = plan.rings.slice(0, current.at + 1).map((ring) => awaitNodes(state, ring, current))
  return waits.find((wait) => wait !== undefined) ?? { kind: 'advance', to: 'ring' }
}

function frozen({ frozenUntil }: Moment): Decision | undefined {
  if (frozenUntil === null) return undefined
  return hold(`frozen until ${new Date(frozenUntil).toISOString()}`, frozenUntil)
}

/** Undefined = enough of those that were told have it. */
function awaitNodes(state: RolloutState, ring: Ring, current: Current): Decision | undefined {
  const released = state.released[ring.name]
  if (released?.number !== current.number) return undefined
  const asked = firstInTurn(current.id, ring.nodes, released.nodes)
  const have = asked.filter((node) => enforces(state.nodes[node], current.number)).length
  if (have >= healthyOf(ring, asked.length)) return undefined
  return hold(`${have} of ${asked.length} nodes of ${ring.name} have it`)
}

/** How many of the ring's nodes may have the release now: by turns, and within the blast radius. */
function nextTurn(plan: RolloutPlan, ring: Ring, current: Current, told: number): number {
  const all = ring.nodes.length
  const radius = nodesOf(plan.blastRadius, fleetSize(plan))
  return Math.min(all, told + nodesOf(ring.atOnce, all), current.soaked + radius)
}

/** Is there an artifact that this ring, and so all before it, have soaked with? */
export function canRevert(state: RolloutState, plan: RolloutPlan, current: Current): boolean {
  const ring = plan.rings[current.at]
  const base = ring && state.succeeded[ring.name]
  return base !== undefined && base.artifact !== current.artifact && !isDenied(state, base.artifact)
}
