/** Circuit breakers as the kernel reads them, struct heddle_breaker_rule, and back; equal ones stand there once. */
import type { BreakerEntry } from '../contract/artifact.ts'
import { type Breaker, type ServiceBreaker, sliceMsOf } from '../policy/breaker.ts'
import { AT, BREAKER_WORDS } from './layout.ts'

export type BreakerTables = { readonly words: readonly number[]; readonly entries: readonly BreakerEntry[] }

/** What a rule says, as words. */
export function breakerWords(breaker: Breaker): number[] {
  const { consecutiveErrors, errorRate, maxInFlight, maxPending, open, probes } = breaker
  const rate = errorRate
    ? [errorRate.percent, errorRate.minimumVolume, sliceMsOf(errorRate.window)]
    : [0, 0, 0]
  return [consecutiveErrors ?? 0, ...rate, open, probes, maxInFlight ?? 0, maxPending ?? 0]
}

export function breakerTables(breakers: readonly ServiceBreaker[]): BreakerTables {
  const rules = [...new Set(breakers.map(({ breaker }) => breakerWords(breaker).join()))]
  return {
    words: rules.flatMap((rule) => rule.split(',').map(Number)),
    entries: breakers.map(({ service, breaker }) => ({
      service,
      rule: rules.indexOf(breakerWords(breaker).join()),
    })),
  }
}

/** Words of the rule with this number. */
export function breakerIn(tables: { word(at: number): number }, rule: number): number[] {
  const at = tables.word(AT.breakers_at) + rule * BREAKER_WORDS
  return Array.from({ length: BREAKER_WORDS }, (_, index) => tables.word(at + index))
}
