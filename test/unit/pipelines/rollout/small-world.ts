/**
 * A director, a store and a few nodes, small enough that every order of what can happen to them can
 * be tried: publications, commands, time, deaths of the director between its acts, nodes that look,
 * run and report, reports that wait, overtake each other and come twice.
 */
import { statementsOf } from '../../../../functions/rollout/targets.ts'
import type { Report } from '../../../../pipelines/contract/release.ts'
import { begin } from '../../../../pipelines/rollout/begin.ts'
import { obey, type RolloutCommand } from '../../../../pipelines/rollout/command.ts'
import type { RolloutPlan } from '../../../../pipelines/rollout/plan.ts'
import { NO_ROLLOUT, type RolloutState } from '../../../../pipelines/rollout/state.ts'
import { observe, step } from '../../../../pipelines/rollout/step.ts'
import { turnOf } from '../../../../pipelines/rollout/turns.ts'
import { commitOf, digestOf, measured } from './rollout-cases.ts'

/** What this letter's artifact does: `h` refuses what nobody declared, all others are good. */
export const HARMFUL = digestOf('h')

export type SmallNode = { accepted: number; runs: string | null; waiting: Report[]; sequence: number }
export type SmallWorld = {
  now: number
  /** As the store has it, and as the repository tells it: a death lies between the two. */
  state: RolloutState
  told: RolloutState
  nodes: Record<string, SmallNode>
  /** What has not happened yet. */
  commits: string[]
  commands: RolloutCommand['verb'][]
  /** Nodes that may still refuse what they are told, once each. */
  faults: number
}

export function smallWorld(
  plan: RolloutPlan,
  happens: Pick<SmallWorld, 'commits' | 'commands' | 'faults'>,
): SmallWorld {
  const names = plan.rings.flatMap(({ nodes }) => nodes)
  const fresh = (): SmallNode => ({ accepted: 0, runs: null, waiting: [], sequence: 0 })
  const nodes = Object.fromEntries(names.map((name) => [name, fresh()]))
  return { now: 1000, state: NO_ROLLOUT, told: NO_ROLLOUT, nodes, ...happens }
}

/** Everything that can happen next, each with a name and the world after it. */
export function* possible(
  world: SmallWorld,
  plan: RolloutPlan,
): Generator<[what: string, after: SmallWorld]> {
  const { state, commits, commands } = world
  const [commit] = commits
  if (commit !== undefined) {
    const what = { commit: commitOf(commit), artifact: digestOf(commit) }
    yield [
      `publish ${commit}`,
      stepped({ ...world, commits: commits.slice(1), state: begin(state, plan, what, world.now) }, plan),
    ]
  }
  for (const verb of new Set(commands)) {
    const left = commands.filter((_, index) => index !== commands.indexOf(verb))
    yield [
      verb,
      stepped({ ...world, commands: left, state: commanded(world, plan, verb, left.length) }, plan),
    ]
  }
  if (world.told !== state) yield ['the repository says so', { ...world, told: state }]
  yield ['time', stepped({ ...world, now: world.now + 2 * plan.soakMs }, plan)]
  for (const name of Object.keys(world.nodes)) yield* ofNode(world, plan, name)
}

function* ofNode(world: SmallWorld, plan: RolloutPlan, name: string): Generator<[string, SmallWorld]> {
  const node = world.nodes[name] as SmallNode
  const looked = look(world, plan, name)
  if (looked !== undefined) {
    yield [`${name} takes release ${looked.accepted}`, withNode(world, name, looked)]
    if (world.faults > 0) {
      const refused = {
        ...node,
        waiting: put(node, reportOf(plan, name, node, 'failed', looked.accepted)),
      }
      yield [
        `${name} fails on release ${looked.accepted}`,
        { ...withNode(world, name, bump(refused)), faults: world.faults - 1 },
      ]
    }
  }
  const said = reportOf(plan, name, node, 'enforced', node.accepted)
  const known = world.state.nodes[name]
  const news = known === undefined || known.number !== said.number || known.outcome !== 'enforced'
  if (node.accepted > 0 && node.waiting.length < 2 && (news || needsNumbers(world, name, said)))
    yield [`${name} reports`, withNode(world, name, bump({ ...node, waiting: put(node, said) }))]
  for (const [index, report] of node.waiting.entries()) {
    const heard = { ...world, state: observe(world.state, plan, report, world.now) }
    const rest = { ...node, waiting: node.waiting.filter((_, at) => at !== index) }
    yield [`report ${index} of ${name} arrives`, stepped(withNode(heard, name, rest), plan)]
    // The same once more: only where it is the only one, to keep the world small.
    if (node.waiting.length === 1 && heard.state !== world.state)
      yield [`report of ${name} arrives, and will again`, stepped(heard, plan)]
  }
}

/** What the agent does (agent/verify.ts): number, turn, denials, ring order. Undefined = nothing new for it. */
function look(world: SmallWorld, plan: RolloutPlan, name: string): SmallNode | undefined {
  const node = world.nodes[name] as SmallNode
  const index = plan.rings.findIndex(({ nodes }) => nodes.includes(name))
  const { releases, successes, denials } = statementsOf(world.told, plan)
  const release = releases.find(({ ring }) => ring === plan.rings[index]?.name)
  if (release === undefined || release.number <= node.accepted) return undefined
  if (turnOf(release.rollout, name) > release.through || denials.denied.includes(release.artifact))
    return undefined
  const before = plan.rings[index - 1]?.name
  const success = successes.find(({ ring }) => ring === before)
  if (before !== undefined && (success?.number !== release.number || success.artifact !== release.artifact))
    return undefined
  return { ...node, accepted: release.number, runs: release.artifact }
}

function reportOf(
  plan: RolloutPlan,
  name: string,
  node: SmallNode,
  outcome: 'enforced' | 'failed',
  number: number,
): Report {
  const ring = plan.rings.find(({ nodes }) => nodes.includes(name))?.name ?? ''
  const failed = outcome === 'failed'
  return {
    schema: 'heddle.report/1',
    node: name,
    ring,
    at: new Date(0).toISOString(),
    sequence: node.sequence + 1,
    outcome,
    number,
    artifact: failed ? null : node.runs,
    generation: 1,
    failure: failed ? { code: 'verifier-rejected', message: '', detail: [] } : null,
    timings: {},
    shadow: null,
    measures: failed ? null : measured({ unintended: node.runs === HARMFUL ? 50 : 0 }),
  }
}

const bump = (node: SmallNode): SmallNode => ({ ...node, sequence: node.sequence + 1 })
const put = (node: SmallNode, report: Report): Report[] => [...node.waiting, report]

/** The director asks for numbers of this release, and has none. */
function needsNumbers(world: SmallWorld, name: string, said: Report): boolean {
  return world.state.nodes[name]?.measures === null && said.measures !== null
}

function withNode(world: SmallWorld, name: string, node: SmallNode): SmallWorld {
  return { ...world, nodes: { ...world.nodes, [name]: node } }
}

function stepped(world: SmallWorld, plan: RolloutPlan): SmallWorld {
  return { ...world, state: step(world.state, plan, { now: world.now, frozenUntil: null }).state }
}

function commanded(
  world: SmallWorld,
  plan: RolloutPlan,
  verb: RolloutCommand['verb'],
  left: number,
): RolloutState {
  const all = verb === 'stop' || verb === 'start'
  const command: RolloutCommand = {
    schema: 'heddle.command/1',
    id: `${verb}-${left}-command`,
    verb,
    rollout: all ? null : (world.state.current?.id ?? null),
    to: null,
    why: '',
    at: world.now,
  }
  return obey(world.state, plan, { command, by: 'ada', now: world.now })
}
