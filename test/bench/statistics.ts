/** What is said about a metric over the rounds. */
export type Spread = { median: number; min: number; max: number }

export const METRICS = [
  'requests_per_second',
  /** Of an open loop: what was asked for. */
  'offered_per_second',
  'p50_us',
  'p99_us',
  /** Of an open loop, whose other latencies count from when a request was due. */
  'since_sent_p99_us',
  /** Of an open loop: from when a request was due until it was sent. */
  'late_p99_us',
  /** Of the whole machine. */
  'cpu_us_per_request',
  /** Of the processes of the case, its load included. */
  'cgroup_us_per_request',
  /** Part of a CPU that the load was busy: near 1, the load is what limits. */
  'load_busy',
  /** CPUs' worth of work that was not the case's: kernel threads, and whoever else is on the machine. */
  'others_busy',
  /** Requests that the relay served, of all; and how many, as a share rounds a few of many to 0. */
  'slow_path_share',
  'slow_path_requests',
  'rss_mb',
  'ms',
  'p50_ms',
  'p99_ms',
  /** By a node's own clock, until the flip. */
  'node_p50_ms',
  'node_p99_ms',
  /** Of a push: until it is published and hinted at. */
  'published_ms',
  /** Of a release, by a node of the fleet: bodies that it read, and how many; CPU of who worked for it. */
  'bytes_per_node',
  'gets_per_node',
  'agent_cpu_ms_per_node',
  'store_cpu_ms_per_node',
  'bus_cpu_ms_per_node',
  'functions_cpu_ms_per_node',
] as const
export type Metric = (typeof METRICS)[number]
export type Sample = Partial<Record<Metric, number>>
export type Summary = Partial<Record<Metric, Spread>>

/** Three decimals: more is noise, fewer hides a flip of microseconds. */
const rounded = (value: number) => Math.round(value * 1000) / 1000

function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (index: number) => rounded(sorted[index] ?? Number.NaN)
  const half = sorted.length / 2
  const median = ((sorted[Math.ceil(half) - 1] ?? 0) + (sorted[Math.floor(half)] ?? 0)) / 2
  return { median: rounded(median), min: at(0), max: at(sorted.length - 1) }
}

/** Samples of one case, one a round -> spread of each metric that they hold. */
export function summarize(samples: readonly Sample[]): Summary {
  const summary: Summary = {}
  for (const metric of METRICS) {
    const values = samples.map((sample) => sample[metric]).filter((value) => value !== undefined)
    if (values.length > 0) summary[metric] = spreadOf(values)
  }
  return summary
}

export function summaries(samples: ReadonlyMap<string, readonly Sample[]>): Record<string, Summary> {
  return Object.fromEntries([...samples].map(([name, each]) => [name, summarize(each)]))
}

/**
 * One case's samples by another's, round by round: a slow minute of the machine met both, so that the
 * spread of the ratio is smaller than that of either, and honest. A metric that is 0 there has no ratio.
 */
export function ratios(
  samples: readonly Sample[],
  baseline: readonly Sample[],
  metrics: readonly Metric[],
): Summary {
  const ratio = (metric: Metric, round: number) =>
    (samples[round]?.[metric] ?? Number.NaN) / (baseline[round]?.[metric] ?? Number.NaN)
  return summarize(
    samples.map((_, round) => {
      const each = metrics.map((metric) => [metric, ratio(metric, round)] as const)
      return Object.fromEntries(each.filter(([, value]) => Number.isFinite(value)))
    }),
  )
}

/** Requests a second, a whole number: half of what a case does when saturated, by the median of its rounds. */
export function halfOfSaturation(samples: readonly Sample[]): number {
  const saturation = summarize(samples).requests_per_second?.median
  if (saturation === undefined) throw new Error('the saturation of a case was not measured')
  return Math.max(1, Math.round(saturation / 2))
}

/** Of requests between two readings of the counters. Throws when fewer were counted than the load has seen answered. */
export function slowPath(before: Share, after: Share, answered: number): Sample {
  const relay = after.relay - before.relay
  const counted = after.kernel - before.kernel + relay
  if (counted < answered)
    throw new Error(`${answered} requests were answered and the mesh served ${counted}: some went past it`)
  return { slow_path_share: counted === 0 ? 0 : relay / counted, slow_path_requests: relay }
}

/** Requests served since the start, by who served them. */
export type Share = { kernel: number; relay: number }
