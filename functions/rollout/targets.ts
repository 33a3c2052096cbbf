/** What the rollout's state means for the repository: releases, successes and denials, as TUF targets. */
import { PAYLOAD_TYPES } from '../../pipelines/contract/dsse.ts'
import {
  DENIALS_TARGET,
  releaseTarget,
  shadowTarget,
  successTarget,
} from '../../pipelines/contract/object-keys.ts'
import type { Denials, Release, RingSuccess, Shadow } from '../../pipelines/contract/release.ts'
import type { RolloutPlan } from '../../pipelines/rollout/plan.ts'
import { shadowRing } from '../../pipelines/rollout/shadows.ts'
import type { RolloutState } from '../../pipelines/rollout/state.ts'
import { encode } from '../trust/metadata.ts'
import type { Target } from '../trust/repository.ts'
import type { RoleKeys } from '../trust/roles.ts'
import { signStatement } from '../trust/statements.ts'

type Statements = {
  releases: Release[]
  successes: RingSuccess[]
  denials: Denials
  shadows: Shadow[]
}

/** Follows from the state alone: the same state, the same statements. */
export function statementsOf(state: RolloutState, plan: RolloutPlan): Statements {
  const { rings } = plan
  const releases = rings.flatMap(({ name: ring }): Release[] => {
    const released = state.released[ring]
    if (released === undefined) return []
    const { id: rollout, number, artifact, commit, through } = released
    return [{ schema: 'heddle.release/1', ring, number, artifact, commit, rollout, through }]
  })
  const successes = rings.flatMap(({ name: ring, nodes }): RingSuccess[] => {
    const succeeded = state.succeeded[ring]
    if (succeeded === undefined) return []
    const { id: rollout, number, artifact, basis } = succeeded
    return [{ schema: 'heddle.ring-success/1', ring, number, artifact, rollout, nodes: nodes.length, basis }]
  })
  const denied = state.denied.map(({ artifact }) => artifact)
  return {
    releases,
    successes,
    denials: { schema: 'heddle.denials/1', denied },
    shadows: shadowsOf(state, plan),
  }
}

/** While a ring is asked what the release would do, and no longer. */
function shadowsOf(state: RolloutState, plan: RolloutPlan): Shadow[] {
  const { current } = state
  const asked = current?.shadowed != null || plan.gates.shadow !== undefined
  const ring = asked ? shadowRing(state, plan) : undefined
  if (current === null || ring === undefined) return []
  const { id: rollout, number, artifact, commit } = current
  return [{ schema: 'heddle.shadow/1', ring: ring.name, number, artifact, commit, rollout }]
}

/** A ring's success and the next ring's release become visible together. */
export async function targetsOf(statements: Statements, director: RoleKeys): Promise<Target[]> {
  const { releases, successes, denials, shadows } = statements
  const signed = await Promise.all(
    successes.map(async (success) => ({
      path: successTarget(success.ring),
      bytes: await signStatement(PAYLOAD_TYPES.ringSuccess, success, director),
    })),
  )
  const released = releases.map((release) => ({
    path: releaseTarget(release.ring),
    bytes: encode(release),
    custom: { artifact: release.artifact },
  }))
  for (const shadow of shadows) {
    const custom = { artifact: shadow.artifact }
    released.push({ path: shadowTarget(shadow.ring), bytes: encode(shadow), custom })
  }
  if (denials.denied.length === 0) return [...signed, ...released]
  const bytes = await signStatement(PAYLOAD_TYPES.denials, denials, director)
  return [...signed, ...released, { path: DENIALS_TARGET, bytes }]
}
