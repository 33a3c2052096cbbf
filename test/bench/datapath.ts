/**
 * Suite `datapath`: what a request costs on its way from client to server, on
 * one node and across two, straight, through Heddle and through proxies. First
 * every case is saturated; then each gets half of what it did, by an open loop,
 * for its latency. Cases take turns in every round.
 */
import { cpus } from 'node:os'
import { type Foundation, layFoundation } from '../../infra/local/foundation.ts'
import { baselinesOf, choose, type Lane, nameOf } from './cases.ts'
import { cpusBusy } from './cpu.ts'
import type { Rounds } from './inbound.ts'
import { compilePaced, paceWith } from './load.ts'
import { pinningFor } from './machine.ts'
import { atRate, atSaturation, ceilingOf, loadFor } from './measure.ts'
import type { Mesh } from './mesh.ts'
import { type Quiet, whenQuiet } from './quiet.ts'
import { laySites, nodesFor } from './sites.ts'
import { halfOfSaturation, type Metric, ratios, type Sample, type Summary, summaries } from './statistics.ts'
import { startWay, type Way } from './ways.ts'

/**
 * Before every sample: caches and pools of a way are as they will be. A mesh may keep no connection to a server
 * for longer than the other cases take, and fewer of them than the next lane has clients. By the open loop,
 * which breaks nothing off when it ends.
 */
const WARM_UP_SECONDS = 0.5
/** /proc/stat counts in 10 ms: shorter says little. */
const LOOK_MS = 200

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
  const fronts = [...new Set(lanes.map(({ front }) => front))]
  const pinning = pinningFor(cpus().length)
  const stack = await layFoundation(dir, nodesFor(fronts))
  const ways = new Map<string, Way>()
  try {
    for (const site of laySites(stack, fronts, pinning))
      ways.set(site.front, await startWay(stack, site, mesh))
    const { tables, facts } = await measureAll(stack.dir, ways, lanes, options)
    return { tables, facts: { pinning, absent, ...facts } }
  } finally {
    await closeAll(ways, stack)
  }
}

/** The foundation goes even if a way doesn't end well; that one's error is told. */
async function closeAll(ways: ReadonlyMap<string, Way>, stack: Foundation): Promise<void> {
  try {
    for (const way of ways.values()) await way.close()
  } finally {
    await stack.down()
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
  const warmUp = (lane: Lane) => pace(loadOf(lane, WARM_UP_SECONDS), 0)
  const turns = { ...options, lanes, quiet, warmUp }
  for (const lane of lanes) await warmUp(lane)
  const saturation = await takeTurns(turns, 'saturation', (lane) => atSaturation(wayOf(lane), loadOf(lane)))
  const openLoop = await ceilingOf(wayOf(lanes[0] as Lane), loadOf(lanes[0] as Lane), pace)
  const rateOf = (lane: Lane) => halfOfSaturation(saturation.get(nameOf(lane)) ?? [])
  const half = await takeTurns(turns, 'half', (lane) => atRate(wayOf(lane), loadOf(lane), pace, rateOf(lane)))
  const tables = {
    cases: summaries(saturation),
    ratios: compare(lanes, saturation, AT_SATURATION),
    cases_at_half: summaries(half),
    ratios_at_half: compare(lanes, half, AT_HALF),
  }
  return { tables, facts: { quiet: quiet.told(), open_loop: openLoop } }
}

type Turns = Rounds & { lanes: readonly Lane[]; quiet: Quiet; warmUp: (lane: Lane) => Promise<unknown> }

/** Every lane once a round, every second round backwards: neither the order nor a drift favours one. */
async function takeTurns(
  { lanes, quiet, warmUp, rounds, say }: Turns,
  phase: string,
  take: (lane: Lane) => Promise<Sample>,
): Promise<Samples> {
  const samples: Samples = new Map(lanes.map((lane) => [nameOf(lane), []]))
  for (let round = 0; round < rounds; round++) {
    for (const lane of round % 2 === 0 ? lanes : lanes.toReversed()) {
      const sample = await quiet.take(async () => {
        await warmUp(lane)
        return take(lane)
      })
      samples.get(nameOf(lane))?.push(sample)
      const { requests_per_second: requests = 0, p50_us: p50, p99_us: p99 } = sample
      const told = `${Math.round(requests)} requests/s, p50 ${p50} us, p99 ${p99} us`
      say(`${phase} ${round + 1}/${rounds} ${nameOf(lane)} ${told}`)
    }
  }
  return samples
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
