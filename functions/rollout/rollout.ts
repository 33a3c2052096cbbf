/**
 * Rollout: the director. Every event is the same four steps: read the state, decide, write the
 * state, bring store, nodes and statuses in line with it. The last step follows from the state
 * alone: whoever dies within it is made good by the next event, whatever that is.
 */
import { PAYLOAD_TYPES } from '../../pipelines/contract/dsse.ts'
import type { EventOf } from '../../pipelines/contract/events.ts'
import { releaseTarget, successTarget } from '../../pipelines/contract/object-keys.ts'
import type { Release, RingSuccess } from '../../pipelines/contract/release.ts'
import { begin, observe, type RolloutPlan, type RolloutState, step } from '../../pipelines/rollout.ts'
import type { Bus, Clock, Forge, ObjectStore, Queue, Statuses } from '../ports.ts'
import { statusOf } from '../statuses.ts'
import { encode } from '../trust/metadata.ts'
import type { Repository, Target } from '../trust/repository.ts'
import type { RoleKeys } from '../trust/roles.ts'
import { signStatement } from '../trust/statements.ts'
import { rolloutStatus } from './rollout-status.ts'
import { loadRollout, saveRollout } from './rollout-store.ts'

export type RolloutPorts = {
  store: ObjectStore
  queue: Queue
  statuses: Statuses
  forge: Forge
  bus: Bus
  clock: Clock
  repository: Repository
  director: RoleKeys
  plan: RolloutPlan
  branch: string
  /** This process's memory of what it has already brought in line; only saves work. */
  applied: { revision: number | null }
}

/** Throws Failure('forge-unavailable' | 'store-conflict' | 'store-unavailable' | 'metadata-untrusted'). */
export async function rollout(ports: RolloutPorts, { cause }: EventOf<'rollout'>): Promise<void> {
  const { state: before, version } = await loadRollout(ports.store, ports.director)
  let state = before
  if (cause.kind === 'report') state = observe(state, ports.plan, cause.report)
  if (cause.kind === 'published' && cause.commit !== state.current?.commit) {
    if (await isStale(ports, state, cause.commit)) {
      await ports.statuses.post(
        cause.commit,
        statusOf('failure', 'superseded', 'a newer commit is delivered'),
      )
    } else {
      state = begin(state, ports.plan, cause)
    }
  }
  const next = step(state, ports.plan, ports.clock.now().getTime())
  const known = next.state === before && ports.applied.revision === before.revision
  if (cause.kind === 'report' && known) return
  if (next.state !== before) await saveRollout(ports.store, ports.director, { state: next.state, version })
  // Nodes of the other rings would look in vain, at the very moment when this ring needs the store.
  const inLine = ports.applied.revision === before.revision
  const rings = ports.plan.rings.map(({ name }) => name)
  const told = rings.filter(
    (ring) => !inLine || next.state.released[ring]?.number !== before.released[ring]?.number,
  )
  await apply(ports, next.state, told)
  if (next.until !== null) {
    await ports.queue.send(
      { stage: 'rollout', cause: { kind: 'tick' } },
      next.until - ports.clock.now().getTime(),
    )
  }
  // Last: who died before any of the above must do it again, whatever comes next.
  ports.applied.revision = next.state.revision
}

/** Events of two commits come in any order; what the branch's history says about them does not change. */
async function isStale(ports: RolloutPorts, state: RolloutState, commit: string): Promise<boolean> {
  const { forge } = ports
  const head = await forge.head(ports.branch)
  if (head === undefined || (head !== commit && !(await forge.contains(head, commit)))) return true
  const current = state.current?.commit
  if (current === undefined || head === commit) return false
  // A forced push may have taken the current one off the branch: then it is no reason to stay.
  return (await forge.contains(head, current)) && forge.contains(current, commit)
}

/**
 * A ring's success and the next ring's release become visible in one commit of the repository;
 * `told` are the rings that get a hint then.
 */
async function apply(ports: RolloutPorts, state: RolloutState, told: readonly string[]): Promise<void> {
  const put: Target[] = []
  for (const { name: ring, nodes } of ports.plan.rings) {
    const succeeded = state.succeeded[ring]
    if (succeeded !== undefined) {
      const { id: rollout, number, artifact } = succeeded
      const success: RingSuccess = { schema: 'heddle.ring-success/1', ring, number, artifact, rollout, nodes }
      const bytes = await signStatement(PAYLOAD_TYPES.ringSuccess, success, ports.director)
      put.push({ path: successTarget(ring), bytes })
    }
    const released = state.released[ring]
    if (released !== undefined) {
      const { id: rollout, number, artifact, commit } = released
      const release: Release = { schema: 'heddle.release/1', ring, number, artifact, commit, rollout }
      put.push({ path: releaseTarget(ring), bytes: encode(release), custom: { artifact } })
    }
  }
  const changed = await ports.repository.update(() => ({ release: { put } }))
  if (changed) for (const ring of told) await ports.bus.hint(ring)
  for (const [commit, status] of rolloutStatus(state, ports.plan)) await ports.statuses.post(commit, status)
}
