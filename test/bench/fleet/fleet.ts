/**
 * Suite `fleet`: what a release costs a fleet. `push-to-all/N`: N agents, real but for their kernels,
 * around one store and one bus on this machine. `bytes-per-node` is what each of them read. The
 * cases `hint-to-enforced` and `rollback` are about a real node, `rollback-first-ring` about five.
 */
import { processMilliseconds } from '../cpu.ts'
import type { Rounds } from '../inbound.ts'
import { residentMegabytesOf } from '../memory.ts'
import { type Sample, summarize } from '../statistics.ts'
import { type Common, type Costs, fit, miss, type Point, predict, shared, slowest } from './fleet-model.ts'
import { type FleetWorld, fleetWorld } from './fleet-world.ts'
import { firstRing } from './first-ring.ts'
import { hear } from './hear.ts'
import { realNode } from './real-node.ts'

/** The last is not part of the model: it is what the model is checked against. */
const SIZES = [500, 1_000, 2_500, 5_000]
const MODELLED = 100_000
/** What a region's bucket and bus are given at least: two cores, and 10 Gbit/s. */
const COMMON: Common = { cores: 2, bytesPerSecond: 1.25e9 }

export type FleetOutcome = { samples: Map<string, Sample[]>; facts: Record<string, unknown> }

export async function fleet(dir: string, options: Rounds): Promise<FleetOutcome> {
  const samples = new Map<string, Sample[]>()
  const add = (name: string, sample: Sample) => {
    samples.set(name, [...(samples.get(name) ?? []), sample])
    options.say(`${name} ${JSON.stringify(sample)}`)
  }
  const wanted = (name: string) => options.only?.test(name) ?? true
  const sizes = SIZES.filter((size) => wanted(`push-to-all/${size}`))
  if (sizes.length > 0) await measureFleet(sizes, options, add)
  if (['hint-to-enforced', 'rollback'].some(wanted)) await realNode(options.say, add)
  if (wanted('rollback-first-ring')) await firstRing(dir, options, add)
  return { samples, facts: sizes.length < 3 ? {} : { model: model(samples, sizes) } }
}

type Add = (name: string, sample: Sample) => void

async function measureFleet(sizes: readonly number[], options: Rounds, add: Add): Promise<void> {
  const world = await fleetWorld(Math.max(...sizes), options.say)
  try {
    await world.push()
    let size = 0
    for (const next of sizes) {
      options.say(`${next} agents start`)
      await world.grow(next - size)
      size = next
      for (let round = 0; round < options.rounds; round++) add(`push-to-all/${size}`, await once(world, size))
    }
  } finally {
    await world.close()
  }
}

/** From the moment the functions begin to compile until the last node's report says that it enforces. */
async function once(world: FleetWorld, size: number): Promise<Sample> {
  await world.agents.read()
  const meter = startMeters(world)
  const heard = hear(world, size)
  const push = await world.push()
  heard.wants(push.number)
  const times = (await heard.all).map(({ at }) => at - push.startedAt).sort((a, b) => a - b)
  const spent = meter()
  const { bytes, gets } = await world.agents.read()
  return {
    ms: times.at(-1) ?? Number.NaN,
    p50_ms: times[Math.floor(times.length / 2)] ?? Number.NaN,
    published_ms: push.publishedMs,
    bytes_per_node: bytes / size,
    gets_per_node: gets / size,
    agent_cpu_ms_per_node: spent.agents / size,
    store_cpu_ms_per_node: spent.store / size,
    bus_cpu_ms_per_node: spent.bus / size,
    functions_cpu_ms_per_node: spent.functions / size,
    rss_mb: world.agents.pids.reduce((sum, pid) => sum + residentMegabytesOf(pid), 0),
  }
}

type Spent = { agents: number; store: number; bus: number; functions: number }

/** Milliseconds of CPU since it was made. `functions`: this process, which compiles, publishes and hears reports. */
function startMeters({ agents, pids }: FleetWorld): () => Spent {
  const read = (): Spent => ({
    agents: agents.pids.reduce((sum, pid) => sum + processMilliseconds(pid), 0),
    store: processMilliseconds(pids.store),
    bus: processMilliseconds(pids.bus),
    functions: processMilliseconds(process.pid),
  })
  const before = read()
  return () => {
    const after = read()
    return {
      agents: after.agents - before.agents,
      store: after.store - before.store,
      bus: after.bus - before.bus,
      functions: after.functions - before.functions,
    }
  }
}

/** Of medians. `everything on this machine` is what was measured; `nodes of their own` is what a fleet is. */
function model(samples: ReadonlyMap<string, readonly Sample[]>, sizes: readonly number[]): unknown {
  const summaryOf = (size: number) => summarize(samples.get(`push-to-all/${size}`) ?? [])
  const points: Point[] = sizes.map((size) => ({ size, ms: summaryOf(size).ms?.median ?? Number.NaN }))
  const held = points.at(-1) as Point
  const line = fit(points.slice(0, -1))
  const { agent_cpu_ms_per_node, store_cpu_ms_per_node, bus_cpu_ms_per_node, ...rest } = summaryOf(held.size)
  const costs: Costs = {
    agentMs: agent_cpu_ms_per_node?.median ?? Number.NaN,
    storeMs: store_cpu_ms_per_node?.median ?? Number.NaN,
    busMs: bus_cpu_ms_per_node?.median ?? Number.NaN,
    functionsMs: rest.functions_cpu_ms_per_node?.median ?? Number.NaN,
    bytes: rest.bytes_per_node?.median ?? Number.NaN,
  }
  const parts = shared(costs, COMMON, MODELLED)
  const { agentMs, storeMs, busMs, functionsMs } = costs
  return {
    line,
    held_out: { ...held, predicted_ms: predict(line, held.size), miss: miss(line, held) },
    here: {
      size: MODELLED,
      ms: predict(line, MODELLED),
      bottleneck: slowest({ agentMs, storeMs, busMs, functionsMs }).name,
    },
    nodes_of_their_own: { size: MODELLED, common: COMMON, ms: parts, bottleneck: slowest(parts).name },
  }
}
