/** What is said about a metric over the rounds. */
export type Spread = { median: number; min: number; max: number }

export const METRICS = [
  'requests_per_second',
  'p50_us',
  'p99_us',
  'cpu_us_per_request',
  'rss_mb',
  'ms',
] as const
export type Metric = (typeof METRICS)[number]
export type Sample = Partial<Record<Metric, number>>

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
export function summarize(samples: readonly Sample[]): Partial<Record<Metric, Spread>> {
  const summary: Partial<Record<Metric, Spread>> = {}
  for (const metric of METRICS) {
    const values = samples.map((sample) => sample[metric]).filter((value) => value !== undefined)
    if (values.length > 0) summary[metric] = spreadOf(values)
  }
  return summary
}
