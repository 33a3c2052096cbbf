/**
 * Rollout: the director. Every batch of events is the same four steps: read the state, decide, write
 * the state, bring store, nodes and statuses in line with it. The last step follows from the state
 * alone: whoever dies within it is made good by the next event, whatever that is.
 */
import { canonicalJson } from '../../pipelines/contract/canonical-json.ts'
import { PAYLOAD_TYPES } from '../../pipelines/contract/dsse.ts'
import type { EventOf } from '../../pipelines/contract/events.ts'
import { rolloutEndKey, shadowTarget } from '../../pipelines/contract/object-keys.ts'
import { begin } from '../../pipelines/rollout/begin.ts'
import { obey } from '../../pipelines/rollout/command.ts'
import type { RolloutPlan } from '../../pipelines/rollout/plan.ts'
import { type Ended, isDenied, type RolloutState } from '../../pipelines/rollout/state.ts'
import { observe, step } from '../../pipelines/rollout/step.ts'
import type { Bus, Clock, Forge, ObjectStore, Queue, Statuses } from '../ports.ts'
import { statusOf } from '../statuses.ts'
import type { Repository } from '../trust/repository.ts'
import type { RoleKeys } from '../trust/roles.ts'
import { signStatement } from '../trust/statements.ts'
import { ASK_EVERY_MS, askChecks } from './checks.ts'
import { type Operators, openCommand } from './commands.ts'
import { frozenUntil } from './freezes.ts'
import { rolloutStatus } from './rollout-status.ts'
import { type Known, loadRollout, saveRollout } from './rollout-store.ts'
import { statementsOf, targetsOf } from './targets.ts'

export type RolloutPorts = {
  store: ObjectStore
  queue: Queue
  statuses: Statuses
  forge: Forge
  bus: Bus
  clock: Clock
  repository: Repository
  director: RoleKeys
  operators: Operators
  plan: RolloutPlan
  branch: string
  log: (line: string) => void
  /** This process's memory of what it has already brought in line; only saves work. */
  applied: { revision: number | null; known: Known }
}

export type Cause = EventOf<'rollout'>['cause']

/** Throws Failure('forge-unavailable' | 'store-conflict' | 'store-unavailable' | 'metadata-untrusted'). */
export async function rollout(ports: RolloutPorts, causes: readonly Cause[]): Promise<void> {
  const { state: before, version } = await loadRollout(ports.store, ports.director, ports.applied.known)
  const inLine = ports.applied.revision === before.revision
  const now = ports.clock.now().getTime()
  let state = before
  for (const cause of causes) state = await take(ports, state, { cause, now })
  state = await askChecks(state, ports.plan, now)
  const next = step(state, ports.plan, { now, frozenUntil: frozenUntil(ports.plan.freezes, now) })
  const ticked = causes.some(({ kind }) => kind !== 'report')
  if (next.state === before && inLine && !ticked) return
  if (next.state !== before) {
    ports.applied.known = await saveRollout(ports.store, ports.director, { state: next.state, version })
  }
  await apply(ports, next.state, { before: inLine ? before : null, ticked })
  await wakeAt(ports, next, now)
  // Last: who died before any of the above must do it again, whatever comes next.
  ports.applied.revision = next.state.revision
}

async function take(
  ports: RolloutPorts,
  state: RolloutState,
  { cause, now }: { cause: Cause; now: number },
): Promise<RolloutState> {
  switch (cause.kind) {
    case 'tick':
      return state
    case 'report':
      return observe(state, ports.plan, cause.report, now)
    case 'command': {
      const opened = tryOpen(ports, cause.envelope)
      return opened === undefined ? state : obey(state, ports.plan, { ...opened, now })
    }
    case 'published':
      return takePublished(ports, state, { ...cause, now })
  }
}

/** One that nobody may give must not keep the others of its batch from being heard. */
function tryOpen(
  { operators, log }: RolloutPorts,
  envelope: string,
): ReturnType<typeof openCommand> | undefined {
  try {
    return openCommand(envelope, operators)
  } catch (error) {
    log(`rollout: ${(error as Error).message}`)
    return undefined
  }
}

async function takePublished(
  ports: RolloutPorts,
  state: RolloutState,
  what: { commit: string; artifact: string; now: number },
): Promise<RolloutState> {
  const { commit, artifact, now } = what
  if (commit === state.current?.commit) return state
  if (isDenied(state, artifact)) return state
  if (await isStale(ports, state, commit)) {
    await ports.statuses.post(commit, statusOf('failure', 'superseded', 'a newer commit is delivered'))
    return state
  }
  return begin(state, ports.plan, { commit, artifact }, now)
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
 * Brings the world in line with the state. `before` is what it is in line with now; null = nobody
 * knows, and everything is done again. `ticked`: metadata that grows old is signed anew in any case.
 */
async function apply(
  ports: RolloutPorts,
  state: RolloutState,
  { before, ticked }: { before: RolloutState | null; ticked: boolean },
): Promise<void> {
  const { plan, repository, bus, statuses, director } = ports
  const statements = statementsOf(state, plan)
  const known = before && statementsOf(before, plan)
  if (known === null || canonicalJson(statements) !== canonicalJson(known)) {
    const put = await targetsOf(statements, director)
    const shadowed = new Set(statements.shadows.map(({ ring }) => ring))
    const drop = plan.rings.flatMap(({ name }) => (shadowed.has(name) ? [] : [shadowTarget(name)]))
    const changed = await repository.update(() => ({ release: { put, drop } }))
    // Nodes of the other rings would look in vain, at the very moment when this ring needs the store.
    const toldOf = ({ releases, shadows }: typeof statements, name: string) =>
      canonicalJson([...releases, ...shadows].filter(({ ring }) => ring === name))
    const same = (ring: string) => known !== null && toldOf(known, ring) === toldOf(statements, ring)
    const told = plan.rings.filter(({ name }) => !same(name))
    if (changed) for (const { name } of told) await bus.hint(name)
  } else if (ticked) await repository.refresh()
  for (const ended of state.ended) if (!before?.ended.some(isThat(ended))) await record(ports, ended)
  const posted = new Map(before === null ? [] : rolloutStatus(before, plan))
  for (const [commit, status] of rolloutStatus(state, plan)) {
    const { revision: _, ...said } = status
    const { revision: __, ...was } = posted.get(commit) ?? statusOf('pending', 'received', '')
    if (canonicalJson(said) !== canonicalJson(was)) await statuses.post(commit, status)
  }
}

const isThat = (ended: Ended) => (other: Ended) =>
  other.number === ended.number && other.outcome === ended.outcome

/** The signed history of rollouts, for audit; and an event for whoever listens. */
async function record({ store, bus, director }: RolloutPorts, ended: Ended): Promise<void> {
  const statement = { schema: 'heddle.rollout-end/1' as const, ...ended }
  const envelope = await signStatement(PAYLOAD_TYPES.rolloutEnd, statement, director)
  const what = await store.create(rolloutEndKey(ended.number, ended.outcome), envelope)
  if (what === 'created') await bus.tellEnd(statement)
}

/** Somebody looks again when time alone may change the decision, or a check is to be asked. */
async function wakeAt(
  { queue, plan, clock }: RolloutPorts,
  { state, until }: { state: RolloutState; until: number | null },
  now: number,
): Promise<void> {
  const asks = state.current?.state === 'soaking' && plan.gates.checks.length > 0
  const due = Math.min(
    until ?? Number.POSITIVE_INFINITY,
    asks ? now + ASK_EVERY_MS : Number.POSITIVE_INFINITY,
  )
  if (!Number.isFinite(due)) return
  await queue.send({ stage: 'rollout', cause: { kind: 'tick' } }, Math.max(0, due - clock.now().getTime()))
}
