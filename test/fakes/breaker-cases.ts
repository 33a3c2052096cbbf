/** Histories of requests that meet a breaker: rules, moments and outcomes, from a seed. */
import type { Breaker, BreakerOutcome } from '../../pipelines/policy/breaker.ts'
import type { Random } from './random.ts'

/** `later`: milliseconds since the step before. `which`: a request that is under way, by chance. */
export type BreakerStep = { later: number } & (
  | { do: 'admit' }
  | { do: 'end'; which: number; outcome: BreakerOutcome }
  | { do: 'rule'; breaker: Breaker }
)

export function breakerRule(r: Random): Breaker {
  const rate = {
    percent: r.pick([1, 20, 50, 60, 100]),
    window: r.pick([1_000, 1_001, 2_000, 10_000]),
    minimumVolume: 1 + r.below(12),
  }
  return {
    ...(r.chance(0.6) ? { consecutiveErrors: 1 + r.below(5) } : {}),
    ...(r.chance(0.6) ? { errorRate: rate } : {}),
    ...(r.chance(0.4) ? { maxInFlight: 1 + r.below(6) } : {}),
    open: r.pick([100, 500, 1_000, 5_000]),
    probes: 1 + r.below(4),
  }
}

/** Errors come in waves, time stands still or leaps; a rule changes now and then. */
export function breakerSteps(r: Random, count: number): BreakerStep[] {
  let sick = 0.1
  return Array.from({ length: count }, (): BreakerStep => {
    if (r.chance(0.05)) sick = r.pick([0, 0.1, 0.5, 0.9, 1])
    const later = r.chance(0.6) ? 0 : r.pick([1, 7, 60, 125, 400, 1_000, 4_000, 20_000])
    const kind = r.below(100)
    if (kind < 1) return { later, do: 'rule', breaker: breakerRule(r) }
    if (kind < 48) return { later, do: 'admit' }
    const outcome = r.chance(0.08) ? 'untold' : r.chance(sick) ? 'error' : 'success'
    return { later, do: 'end', which: r.below(1 << 20), outcome }
  })
}
