/** How results are told: cases with goals, and tables of spreads. */
import type { ActionCase } from './action-cases.ts'
import { ratios, type Sample, type Spread, type Summary, summarize } from './statistics.ts'

/** A case against its goal. `ratio`: the median over the rounds of requests a second; `spread`: its least and most. */
export type Judged = {
  name: string
  /** null: what it says is how far noise goes. */
  goal: number | null
  ratio: number
  spread: { min: number; max: number }
  met: boolean | null
  /** Of the CPU of the whole machine that a request takes. */
  cpu: Spread
  /** Of its requests, what the relay served: not 0 = it is not the kernel that was measured. */
  slowPathShare: number
}

const NOTHING: Spread = { median: Number.NaN, min: Number.NaN, max: Number.NaN }

export function judge(
  { name, action, against, goal }: ActionCase,
  samples: ReadonlyMap<string, readonly Sample[]>,
): Judged {
  const own = samples.get(action) ?? []
  const metrics = ['requests_per_second', 'cpu_us_per_request'] as const
  const { requests_per_second: speed = NOTHING, cpu_us_per_request: cpu = NOTHING } = ratios(
    own,
    samples.get(against) ?? [],
    metrics,
  )
  return {
    name,
    goal: goal ?? null,
    ratio: speed.median,
    spread: { min: speed.min, max: speed.max },
    met: goal === undefined ? null : speed.median >= goal,
    cpu,
    slowPathShare: summarize(own).slow_path_share?.median ?? 0,
  }
}

export function shownCases(cases: readonly Judged[]): string {
  const lines = cases.map(({ name, goal, ratio, spread, met, cpu, slowPathShare }) => {
    const verdict = goal === null ? 'noise' : `goal ${goal} ${met ? 'met' : 'MISSED'}`
    const relay = slowPathShare === 0 ? '' : `  by the relay ${slowPathShare}`
    const told = `${ratio} (${spread.min}..${spread.max})`
    return `  ${name.padEnd(24)} ${told.padEnd(24)} ${verdict.padEnd(16)} cpu ${cpu.median}${relay}\n`
  })
  return `requests a second, by those of the baseline\n${lines.join('')}`
}

export function shownTable(name: string, table: Readonly<Record<string, Summary>>): string {
  const lines = Object.entries(table).map(([row, metrics]) => {
    const told = Object.entries(metrics).map(
      ([metric, { median, min, max }]) => `${metric} ${median} (${min}..${max})`,
    )
    return `  ${row.padEnd(32)} ${told.join('  ')}\n`
  })
  return `${name}\n${lines.join('')}`
}
