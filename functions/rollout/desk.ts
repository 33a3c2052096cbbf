/** The desk of the director: what people may see of a rollout, and where they hand in commands. */
import { MAX_COMMAND_CHARACTERS } from '../../pipelines/contract/events.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { RolloutPlan } from '../../pipelines/rollout/plan.ts'
import { progress } from '../../pipelines/rollout/progress.ts'
import { type ShadowSum, shadowRing, shadowSum } from '../../pipelines/rollout/shadows.ts'
import type { RolloutState } from '../../pipelines/rollout/state.ts'
import type { Clock, ObjectStore, Queue } from '../ports.ts'
import type { RoleKeys } from '../trust/roles.ts'
import { type Operators, openCommand } from './commands.ts'
import { frozenUntil } from './freezes.ts'
import { loadRollout } from './rollout-store.ts'

type DeskPorts = {
  store: ObjectStore
  queue: Queue
  clock: Clock
  director: RoleKeys
  operators: Operators
  plan: RolloutPlan
}

/** What is told of the state: all but what single nodes said. */
type View = Pick<
  RolloutState,
  'revision' | 'current' | 'ended' | 'denied' | 'stopped' | 'commanded' | 'completed'
> & {
  schema: 'heddle.rollout-view/1'
  rings: ReturnType<typeof progress>
  frozenUntil: number | null
  /** What the next ring's nodes have found of the release; null = there is no such ring. */
  shadow: ShadowSum | null
}

export type RolloutDesk = {
  look(): Promise<View>
  /** Takes an envelope in for the director. Throws Failure('command-untrusted'). */
  command(envelope: string): Promise<{ id: string; by: string }>
}

export function rolloutDesk(ports: DeskPorts): RolloutDesk {
  return {
    async look() {
      const { state } = await loadRollout(ports.store, ports.director)
      const { revision, current, ended, denied, stopped, commanded, completed } = state
      const rings = progress(state, ports.plan)
      const until = frozenUntil(ports.plan.freezes, ports.clock.now().getTime())
      const told = { revision, current, ended, denied, stopped, commanded, completed }
      const ring = shadowRing(state, ports.plan)
      const shadow = ring === undefined || current === null ? null : shadowSum(state, ring, current)
      return { schema: 'heddle.rollout-view/1', ...told, rings, frozenUntil: until, shadow }
    },
    async command(envelope) {
      if (envelope.length > MAX_COMMAND_CHARACTERS) {
        throw new Failure('command-untrusted', `a command has at most ${MAX_COMMAND_CHARACTERS} characters`)
      }
      const { command, by } = openCommand(envelope, ports.operators)
      await ports.queue.send({ stage: 'rollout', cause: { kind: 'command', envelope } })
      return { id: command.id, by }
    },
  }
}
