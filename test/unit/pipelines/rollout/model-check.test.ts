/** Every order of everything that can happen to a small fleet: no order breaks a promise, all come to rest. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { statementsOf } from '../../../../functions/rollout/targets.ts'
import type { RolloutPlan } from '../../../../pipelines/rollout/plan.ts'
import type { RolloutState } from '../../../../pipelines/rollout/state.ts'
import { digestOf, planOf } from './rollout-cases.ts'
import { HARMFUL, possible, type SmallWorld, smallWorld } from './small-world.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
/** Worlds that are looked at, at most: a check that would not end is a failure, not a pass. */
const MAX_WORLDS = DEEP ? 5_000_000 : 100_000

const gates = { unintended: { most: 0.01 }, minimumSamples: 1 }
const two = [
  { name: 'r0', nodes: ['a'] },
  { name: 'r1', nodes: ['b'] },
]
const three = [
  { name: 'r0', nodes: ['a'] },
  { name: 'r1', nodes: ['b', 'c'], atOnce: { nodes: 1 } },
]

type Case = {
  what: string
  rings: object[]
  happens: Pick<SmallWorld, 'commits' | 'commands' | 'faults'>
  deep?: boolean
  radius?: number
}
const CASES: Case[] = [
  {
    what: 'a good and a harmful commit',
    rings: two,
    happens: { commits: ['a', 'h'], commands: [], faults: 0 },
  },
  {
    what: 'an abort at any time',
    rings: two,
    happens: { commits: ['a', 'b'], commands: ['abort'], faults: 0 },
    deep: true,
  },
  {
    what: 'a rollback at any time',
    rings: two,
    happens: { commits: ['a', 'h'], commands: ['rollback'], faults: 0 },
  },
  {
    what: 'a node that fails once',
    rings: two,
    happens: { commits: ['a', 'h'], commands: [], faults: 1 },
    deep: true,
  },
  {
    what: 'a stop and a start',
    rings: two,
    happens: { commits: ['a', 'h'], commands: ['stop', 'start'], faults: 0 },
    deep: true,
  },
  {
    what: 'three commits, the one in the middle harmful',
    rings: two,
    happens: { commits: ['a', 'h', 'c'], commands: [], faults: 0 },
    deep: true,
  },
  {
    what: 'a ring of two, one at a time, and everything else',
    rings: three,
    radius: 1,
    happens: { commits: ['a', 'h'], commands: ['promote', 'abort'], faults: 1 },
    deep: true,
  },
  {
    what: 'pause, resume and rollback',
    rings: two,
    happens: { commits: ['a', 'h', 'c'], commands: ['pause', 'resume', 'rollback'], faults: 0 },
    deep: true,
  },
]

describe('every order of what can happen', () => {
  for (const { what, rings, happens, deep, radius } of CASES) {
    it(what, { skip: deep === true && !DEEP && 'runs in test:deep' }, (test) => {
      const blast = radius === undefined ? {} : { blastRadius: { nodes: radius } }
      const plan = planOf({ rings, gates, ...blast })
      const worlds = explore(plan, smallWorld(plan, happens))
      test.diagnostic(`${worlds} worlds`)
    })
  }
})

/** Breadth first, each world once. */
function explore(plan: RolloutPlan, first: SmallWorld): number {
  const seen = new Set([keyOf(first, plan)])
  let edge = [first]
  while (edge.length > 0) {
    const next: SmallWorld[] = []
    for (const world of edge) {
      comesToRest(plan, world)
      for (const [what, after] of possible(world, plan)) {
        keepsPromises(plan, world, after, what)
        const key = keyOf(after, plan)
        if (seen.has(key)) continue
        seen.add(key)
        next.push(after)
      }
    }
    assert.ok(seen.size < MAX_WORLDS, `more than ${MAX_WORLDS} worlds`)
    edge = next
  }
  return seen.size
}

function keepsPromises(
  plan: RolloutPlan,
  before: SmallWorld,
  { state, nodes }: SmallWorld,
  what: string,
): void {
  const { releases, successes, denials } = statementsOf(state, plan)
  for (const [index, { name, nodes: members }] of plan.rings.entries()) {
    const release = releases.find(({ ring }) => ring === name)
    const earlier = before.state.released[name]?.number ?? 0
    assert.ok((release?.number ?? 0) >= earlier, `${what}: numbers of ${name} only grow`)
    const ahead = index === 0 ? undefined : successes.find(({ ring }) => ring === plan.rings[index - 1]?.name)
    const runs =
      index === 0 ||
      release === undefined ||
      release.number < (ahead?.number ?? 0) ||
      (ahead?.number === release.number && ahead.artifact === release.artifact)
    assert.ok(
      runs,
      `${what}: ${name} is told of ${release?.number} before the ring ahead of it has soaked with it`,
    )
    if (index > 0)
      for (const node of members)
        assert.notEqual(nodes[node]?.runs, HARMFUL, `${what}: ${node} runs what does harm`)
    assert.ok(
      release === undefined || !denials.denied.includes(release.artifact),
      `${what}: ${name} is told of what is denied`,
    )
  }
  assert.ok(
    exposed(state, plan) <= (plan.blastRadius?.nodes ?? Number.POSITIVE_INFINITY),
    `${what}: blast radius`,
  )
  const unsoaked = plan.rings.filter(({ name }) => isUnsoaked(state, name))
  assert.ok(
    unsoaked.length <= 1,
    `${what}: ${unsoaked.map(({ name }) => name)} run what has not soaked there`,
  )
}

/** Told of something that the ring has not soaked with, under whatever number. */
function isUnsoaked(state: RolloutState, ring: string): boolean {
  const released = state.released[ring]
  return (
    released !== undefined &&
    state.current?.kind === 'release' &&
    state.current.number === released.number &&
    state.succeeded[ring]?.number !== released.number
  )
}

function exposed(state: RolloutState, plan: RolloutPlan): number {
  return plan.rings.reduce(
    (sum, { name }) =>
      sum + (isUnsoaked(state, name) ? (state.released[name]?.nodes ?? 0) - (state.current?.soaked ?? 0) : 0),
    0,
  )
}

/** When nothing bad happens any more, nodes look and reports arrive: the fleet comes to one mind. */
function comesToRest(plan: RolloutPlan, world: SmallWorld): void {
  let now: SmallWorld = { ...world, commits: [], commands: [], faults: 0 }
  let rested = false
  for (let round = 0; round < 40 && !rested; round++) {
    const before = now
    for (;;) {
      const next = happening(now, plan, (what) => what !== 'time' && !what.endsWith('will again'))
      if (next === undefined) break
      now = next
    }
    const later = happening(now, plan, (what) => what === 'time') ?? now
    rested = now === before && later.state === now.state
    now = later
  }
  const { current, stopped } = now.state
  const waits = stopped !== null || current?.held != null || now.state.current?.state === 'paused'
  assert.ok(
    current === null || current.state === 'done' || waits,
    `rests in ${current?.state}: ${current?.why}`,
  )
  const denied = now.state.denied.map(({ artifact }) => artifact)
  for (const [name, { runs }] of Object.entries(now.nodes)) {
    assert.ok(runs === null || !denied.includes(runs), `${name} runs what is denied`)
    if (runs === HARMFUL)
      assert.match(current?.why ?? '', /no earlier release|stopped|:/, `${name} runs ${digestOf('h')}`)
  }
}

function happening(
  world: SmallWorld,
  plan: RolloutPlan,
  wanted: (what: string) => boolean,
): SmallWorld | undefined {
  for (const [what, after] of possible(world, plan)) if (wanted(what)) return after
  return undefined
}

/** What tells two worlds apart: neither clocks nor counters that only grow. */
function keyOf(
  { state, told, nodes, commits, commands, faults, now }: SmallWorld,
  plan: RolloutPlan,
): string {
  const facts = Object.entries(nodes).map(([name, { accepted, runs, waiting, sequence }]) => {
    const known = state.nodes[name]
    const reports = waiting.map((report) => [
      report.outcome,
      report.number,
      report.sequence > (known?.sequence ?? 0),
    ])
    return [
      accepted,
      runs?.slice(7, 9),
      reports,
      known && [known.outcome, known.number, known.measures?.unintended, sequence > known.sequence],
    ]
  })
  const brief = (
    { current, released, succeeded, denied, stopped, completed }: RolloutState,
    clock: boolean,
  ) => [
    current && [
      current.number,
      current.kind,
      current.artifact.slice(7, 9),
      current.at,
      current.soaked,
      current.state,
      current.held !== null,
      current.promoted !== null,
      clock && current.holdsSince !== null && now - current.holdsSince >= plan.soakMs,
      current.holdsSince !== null,
    ],
    Object.entries(released).map(([ring, { number, nodes: count }]) => [ring, number, count]),
    Object.entries(succeeded).map(([ring, { number, artifact }]) => [ring, number, artifact.slice(7, 9)]),
    denied.length,
    completed.map(({ number }) => number),
    stopped !== null,
  ]
  const behind = told === state ? null : brief(told, false)
  return JSON.stringify([brief(state, true), behind, facts, commits, commands, faults])
}
