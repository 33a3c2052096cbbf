/** Commands of operators: signed requests, and what each of them does to the state. Pure. */
import { z } from 'zod'
import { Digest } from '../contract/artifact.ts'
import { revert } from './begin.ts'
import { canRevert } from './decide.ts'
import type { RolloutPlan } from './plan.ts'
import { shadowRing } from './shadows.ts'
import { append, type By, type Current, isDenied, KEPT, type Named, type RolloutState } from './state.ts'

export const VERBS = ['shadow', 'promote', 'pause', 'resume', 'abort', 'rollback', 'stop', 'start'] as const

export const RolloutCommand = z.strictObject({
  schema: z.literal('heddle.command/1'),
  /** Given by who asks; the same id is the same command, and is done once. */
  id: z.string().regex(/^[A-Za-z0-9-]{8,64}$/),
  verb: z.enum(VERBS),
  /** The rollout that it is about; null for stop and start, which are about all of them. */
  rollout: z.string().max(128).nullable(),
  /** Artifact to go back to; null = the one before. For rollback alone. */
  to: Digest.nullable().default(null),
  why: z.string().max(512).default(''),
  /** Milliseconds since the epoch: an old command that is played again is refused. */
  at: z.number().min(0),
})
export type RolloutCommand = z.infer<typeof RolloutCommand>

/** How old a command may be, and how far ahead of this clock (ms). */
const FRESH_MS = 10 * 60_000

type Order = { command: RolloutCommand; by: string; now: number }

/** Carries a command out, or notes why not. A command that is known already changes nothing. */
export function obey(state: RolloutState, plan: RolloutPlan, order: Order): RolloutState {
  const { command, by, now } = order
  if (state.commanded.some(({ id }) => id === command.id)) return state
  const result = Math.abs(now - command.at) > FRESH_MS ? 'the command is too old' : apply(state, plan, order)
  const { id, verb, rollout } = command
  const refused = typeof result === 'string' ? result : null
  const after = typeof result === 'string' ? state : result
  const noted = { id, verb, by, at: now, rollout, refused }
  return {
    ...after,
    revision: state.revision + 1,
    commanded: append(after.commanded, noted, KEPT.commanded),
  }
}

/** The state after it; a text says why it can't be done. */
function apply(state: RolloutState, plan: RolloutPlan, order: Order): RolloutState | string {
  const { command, by, now } = order
  const said: By = { by, at: now, why: command.why }
  if (command.verb === 'stop') return { ...state, stopped: said }
  if (command.verb === 'start') return { ...state, stopped: null }
  const { current } = state
  if (current === null || current.id !== command.rollout) {
    return `the rollout is ${current?.id ?? 'none'}, not ${command.rollout ?? 'none'}`
  }
  if (command.verb === 'rollback') return rollBack(state, plan, order)
  if (current.state === 'done') return `rollout ${current.id} is done`
  return steer(state, plan, { current, said, verb: command.verb, now })
}

type Steering = {
  current: Current
  said: By
  verb: 'shadow' | 'promote' | 'pause' | 'resume' | 'abort'
  now: number
}

function steer(state: RolloutState, plan: RolloutPlan, steering: Steering): RolloutState | string {
  const { current, said, verb, now } = steering
  switch (verb) {
    case 'pause':
      return { ...state, current: { ...current, held: said } }
    case 'resume':
      return current.held === null
        ? `rollout ${current.id} is not paused by an operator`
        : { ...state, current: { ...current, held: null } }
    case 'shadow':
      return shadowRing(state, plan) === undefined
        ? 'the ring has taken it already, or runs nothing to compare it with'
        : { ...state, current: { ...current, shadowed: said } }
    case 'promote':
      return { ...state, current: { ...current, promoted: said } }
    case 'abort': {
      if (current.kind === 'rollback') return 'a way back is not aborted'
      const base = state.succeeded[plan.rings[current.at]?.name ?? '']
      if (base === undefined || !canRevert(state, plan, current)) return NOWHERE
      const why = `aborted by ${said.by}${said.why === '' ? '' : `: ${said.why}`}`
      return revert(state, plan, { to: base, outcome: 'aborted', why, deny: true }, now)
    }
  }
}

const NOWHERE = 'there is no earlier release to go back to'

/** Back to an older release: under way to the ring's base, when it is done to what was complete before. */
function rollBack(state: RolloutState, plan: RolloutPlan, order: Order): RolloutState | string {
  const { command, by, now } = order
  const { current } = state
  if (current === null) return NOWHERE
  const why = `rolled back by ${by}${command.why === '' ? '' : `: ${command.why}`}`
  const to = choose(state, plan, current, command.to)
  if (to === undefined)
    return command.to === null ? NOWHERE : `${command.to} has not been in every ring, or is denied`
  return revert(state, plan, { to, outcome: 'rolled-back', why, deny: true }, now)
}

function choose(
  state: RolloutState,
  plan: RolloutPlan,
  current: Current,
  to: Digest | null,
): Named | undefined {
  const complete = state.completed.filter(
    ({ artifact }) => artifact !== current.artifact && !isDenied(state, artifact),
  )
  if (to !== null) return complete.findLast(({ artifact }) => artifact === to)
  const base = current.state === 'done' ? undefined : state.succeeded[plan.rings[current.at]?.name ?? '']
  return base !== undefined && canRevert(state, plan, current) ? base : complete.at(-1)
}
