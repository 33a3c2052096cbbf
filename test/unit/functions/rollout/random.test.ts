/**
 * Random rollouts beside random faults: a store that fails before or after it did what it was asked,
 * two directors, deaths in between, nodes that look late, fail and recover, reports that are lost,
 * repeated and late. No harmful policy reaches a node behind the first ring, every good one arrives.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fractions } from '../../../fakes/random.ts'
import type { Cause } from '../../../../functions/rollout/rollout.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { RolloutPlan } from '../../../../pipelines/rollout/plan.ts'
import { memoryKeys } from '../../../fakes/keys.ts'
import { type RolloutWorld, rolloutWorld } from '../../../fakes/rollout-world.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const ROLLOUTS = DEEP ? 1000 : 8
const SEED = 20261123
const SOAK_MS = 1000
const COMMITS = 3
const ACTS = 60
/** Of the calls of a port, before and after. */
const FAULT_RATE = 0.02
const keys = memoryKeys()
const harmful = (artifact: string) => artifact.startsWith('sha256:bad')

const PLANS = [
  { rings: ring([1, 2, 2]), soakMs: SOAK_MS },
  { rings: ring([2, 4]), soakMs: SOAK_MS, blastRadius: { nodes: 2 } },
  { rings: ring([1, 5], { atOnce: { percent: 40 } }), soakMs: SOAK_MS },
  { rings: ring([3]), soakMs: SOAK_MS },
].map((plan) =>
  RolloutPlan.parse({ ...plan, gates: { minimumSamples: 100, unintended: { most: 0.01 }, lostMs: 60_000 } }),
)

function ring(sizes: number[], more: object = {}): object[] {
  return sizes.map((size, index) => ({
    name: `r${index}`,
    nodes: Array.from({ length: size }, (_, number) => `n${index}-${number}`),
    ...more,
  }))
}

class Killed extends Error {}

describe(`${ROLLOUTS} random rollouts with faults`, () => {
  it('keep what does harm in the first ring, and bring what is good to every node', async (test) => {
    let deaths = 0
    let back = 0
    for (let number = 0; number < ROLLOUTS; ) {
      const run = await play(SEED + number)
      number += run.commits
      deaths += run.faults
      back += run.back
    }
    assert.ok(deaths > 0 && back > 0, 'the faults and the harm were there')
    test.diagnostic(`${deaths} faults, ${back} rollouts went back`)
  })
})

type Play = {
  world: RolloutWorld
  plan: RolloutPlan
  random: () => number
  /** Causes on their way to a director; what failed comes again. */
  causes: Cause[]
  faults: number
}

/** A few commits on one fleet, each into what is left of the one before, then peace. */
async function play(seed: number): Promise<{ commits: number; faults: number; back: number }> {
  const plan = PLANS[seed % PLANS.length] as RolloutPlan
  const it: Play = {
    world: await rolloutWorld(keys, plan, harmful),
    plan,
    random: fractions(seed),
    causes: [],
    faults: 0,
  }
  let parent: string | undefined
  let best = ''
  let last = ''
  for (let at = 0; at < COMMITS; at++) {
    // The first one is good and arrives in peace: without it there is nothing to go back to.
    const bad = at > 0 && it.random() < 0.5
    last = `sha256:${bad ? 'bad' : '600d'}${`${seed}${at}`.padStart(bad ? 61 : 60, '0')}`
    if (!bad) best = last
    const commit: string = it.world.forge.commit({}, parent)
    it.world.forge.push(commit)
    parent = commit
    it.causes.push({ kind: 'published', commit, artifact: last })
    if (at > 0) await disturb(it)
    else await settle(it)
  }
  await settle(it)
  for (const [name, { runs }] of it.world.nodes) {
    assert.ok(runs !== null && !harmful(runs), `seed ${seed}: ${name} runs ${runs}`)
    if (last === best) assert.equal(runs, best, `seed ${seed}: ${name}`)
  }
  const { ended, current } = await it.world.state()
  assert.equal(current?.state, 'done', `seed ${seed}: ${current?.why}`)
  const back = ended.filter(({ outcome }) => outcome === 'rolled-back').length
  return { commits: COMMITS, faults: it.faults, back }
}

/** One random thing after the other. */
async function disturb(it: Play): Promise<void> {
  const { world, random, causes } = it
  const names = [...world.nodes.keys()]
  const any = () => names[Math.floor(random() * names.length)] as string
  world.setGate(() => {
    if (random() > FAULT_RATE) return
    it.faults++
    if (random() < 0.5) throw new Killed('killed')
    throw new Failure('store-unavailable', 'the store is away')
  })
  for (let left = ACTS; left > 0; left--) {
    const what = random()
    if (what < 0.3) await world.look(any())
    else if (what < 0.6) {
      const report = world.report(any(), random() < 0.05)
      if (random() < 0.8) causes.push({ kind: 'report', report })
      if (random() < 0.2) causes.push({ kind: 'report', report })
    } else if (what < 0.7) world.clock.advance(Math.floor(random() * 2 * SOAK_MS))
    else await deliver(it, Math.floor(random() * causes.length))
    await staysInTheFirstRing(it)
  }
  world.setGate(() => {})
}

/** Some causes, from anywhere in the line, to any of the directors. */
async function deliver({ world, random, causes }: Play, from: number): Promise<void> {
  const some = causes.splice(from, 1 + Math.floor(random() * 4))
  if (some.length === 0) some.push({ kind: 'tick' })
  if (!(await world.direct(random() < 0.5 ? 0 : 1, some))) causes.push(...some)
}

/** Nothing fails any more, every node looks and reports, time passes. */
async function settle(it: Play): Promise<void> {
  const { world, causes } = it
  for (let round = 0; round < 60; round++) {
    for (const name of world.nodes.keys()) {
      await world.look(name)
      causes.push({ kind: 'report', report: world.report(name) })
    }
    assert.ok(await world.direct(round, causes.splice(0)), 'nothing fails in peace')
    await staysInTheFirstRing(it)
    const { current } = await world.state()
    const told = [...world.nodes.values()].every(
      ({ accepted, ring }) => accepted >= (it.plan.rings[0]?.name === ring ? 1 : 0),
    )
    if (current?.state === 'done' && told && round > 2) return
    world.clock.advance(SOAK_MS)
  }
}

async function staysInTheFirstRing({ world, plan }: Play): Promise<void> {
  for (const [name, { ring, runs }] of world.nodes)
    assert.ok(ring === plan.rings[0]?.name || runs === null || !harmful(runs), `${name} runs ${runs}`)
}
