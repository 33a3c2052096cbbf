/**
 * Suite `datapath`: what a request costs on its way from client to server, on
 * one node and across two, straight, through Heddle and through proxies. First
 * every case is saturated; then each gets half of what it did, by an open loop,
 * for its latency. Cases take turns in every round.
 */
import { cpus } from 'node:os'
import { layFoundation } from '../../infra/local/foundation.ts'
import { baselinesOf, choose, FRONTS, type Front, type Lane, nameOf } from './cases.ts'
import { cpusBusy } from './cpu.ts'
import type { Rounds } from './inbound.ts'
import { compilePaced, paceWith } from './load.ts'
import { pinningFor } from './machine.ts'
import { atRate, atSaturation, ceilingOf, loadFor } from './measure.ts'
import type { Mesh } from './mesh.ts'
import { whenQuiet } from './quiet.ts'
import { laySites, nodesFor } from './sites.ts'
import { halfOfSaturation, type Metric, ratios, type Sample, type Summary, summaries } from './statistics.ts'
import { takeTurns } from './turns.ts'
import { closeWays, startWays, type Way } from './ways.ts'

/**
 * Before every sample: caches and pools of a way are as they will be. A mesh may keep no connection to a server
 * for longer than the other cases take, and fewer of them than the next lane has clients. By the open loop,
 * which breaks nothing off when it ends.
 */
export const WARM_UP_SECONDS = 0.5
/** /proc/stat counts in 10 ms: shorter says little. */
export const LOOK_MS = 200

const AT_SATURATION: readonly Metric[] = [
  'requests_per_second',
  'p50_us',
  'p99_us',
  'cpu_us_per_request',
  'cgroup_us_per_request',
]
/** Not CPU: most of what an open loop spends there is its own sleeping and waking. */
const AT_HALF: readonly Metric[] = ['p50_us', 'p99_us', 'since_sent_p99_us']

type Samples = Map<string, Sample[]>
/** Table -> case, or `CASE vs BASELINE` -> spreads. */
type Tables = Record<string, Record<string, Summary>>
type Result = { tables: Tables; facts: Record<string, unknown> }

/** Cases that can't be measured are named as absent. */
export async function datapath(
  dir: string,
  mesh: Mesh | undefined,
  options: Rounds & { all: boolean },
): Promise<Result> {
  const { lanes, absent } = choose({ ...options, mesh: mesh !== undefined })
  for (const [name, why] of Object.entries(absent)) options.say(`absent: ${name}: ${why}`)
  const fronts = Object.fromEntries(lanes.map(({ front }) => [front, FRONTS[front] as Front]))
  const pinning = pinningFor(cpus().length)
  const stack = await layFoundation(dir, nodesFor(fronts))
  const ways = new Map<string, Way>()
  try {
    await startWays(stack, laySites(stack, fronts, pinning), mesh, ways)
    const { tables, facts } = await measureAll(stack.dir, ways, lanes, options)
    return { tables, facts: { pinning, absent, ...facts } }
  } finally {
    await closeWays(stack, ways)
  }
}

async function measureAll(
  dir: string,
  ways: ReadonlyMap<string, Way>,
  lanes: readonly Lane[],
  options: Rounds,
): Promise<Result> {
  const pace = paceWith(await compilePaced(dir))
  const wayOf = (lane: Lane) => ways.get(lane.front) as Way
  const loadOf = (lane: Lane, seconds = options.seconds) => loadFor(wayOf(lane), lane, seconds)
  const quiet = whenQuiet(() => cpusBusy(LOOK_MS), LOOK_MS)
  const byName = new Map(lanes.map((lane) => [nameOf(lane), lane]))
  const warmUp = (name: string) => pace(loadOf(byName.get(name) as Lane, WARM_UP_SECONDS), 0)
  const turns = { ...options, names: [...byName.keys()], quiet, warmUp }
  for (const name of turns.names) await warmUp(name)
  const phase = (what: string, take: (lane: Lane) => Promise<Sample>) =>
    takeTurns(turns, what, (name) => take(byName.get(name) as Lane))
  const saturation = await phase('saturation', (lane) => atSaturation(wayOf(lane), loadOf(lane)))
  const openLoop = await ceilingOf(wayOf(lanes[0] as Lane), loadOf(lanes[0] as Lane), pace)
  const rateOf = (lane: Lane) => halfOfSaturation(saturation.get(nameOf(lane)) ?? [])
  const half = await phase('half', (lane) => atRate(wayOf(lane), loadOf(lane), pace, rateOf(lane)))
  const tables = {
    cases: summaries(saturation),
    ratios: compare(lanes, saturation, AT_SATURATION),
    cases_at_half: summaries(half),
    ratios_at_half: compare(lanes, half, AT_HALF),
  }
  return { tables, facts: { quiet: quiet.told(), open_loop: openLoop } }
}

/** `CASE vs BASELINE` -> spread of the ratio of each metric; only where both were measured. */
function compare(
  lanes: readonly Lane[],
  samples: Samples,
  metrics: readonly Metric[],
): Record<string, Summary> {
  const pairs = lanes.flatMap((lane) =>
    baselinesOf(lane).map((baseline) => [nameOf(lane), baseline] as const),
  )
  return Object.fromEntries(
    pairs.flatMap(([name, baseline]) => {
      const against = samples.get(baseline)
      if (against === undefined) return []
      return [[`${name} vs ${baseline}`, ratios(samples.get(name) ?? [], against, metrics)]]
    }),
  )
}
