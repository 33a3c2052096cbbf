/** Freeze windows: cron and zone as people write them, turned into "frozen until". */
import { Cron } from 'croner'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Freeze } from '../../pipelines/rollout/plan.ts'

const MINUTE_MS = 60_000

/** Ms since the epoch when the last of the windows that last now ends; null = none does. */
export function frozenUntil(freezes: readonly Freeze[], now: number): number | null {
  const ends = freezes.flatMap((freeze) => {
    // All windows of a freeze are as long: the one that began last ends last.
    const [begun] = openFreeze(freeze).previousRuns(1, new Date(now + 1))
    return begun === undefined ? [] : [begun.getTime() + freeze.minutes * MINUTE_MS]
  })
  const until = Math.max(...ends)
  return until > now ? until : null
}

/** Throws Failure('schema-violation') that names the freeze and what is wrong with it. */
export function openFreeze({ cron, zone }: Freeze): Cron {
  try {
    const opened = new Cron(cron, { timezone: zone, mode: '5-part', paused: true })
    // An unknown zone shows only when a time is asked for.
    opened.nextRun()
    return opened
  } catch (cause) {
    const message = `freeze "${cron}" in ${zone}: ${(cause as Error).message}`
    throw new Failure('schema-violation', message, { cause })
  }
}
