/** Freeze windows: cron and zone as people write them, turned into "frozen until". */
import { Cron } from 'croner'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Freeze } from '../../pipelines/rollout/plan.ts'

const MINUTE_MS = 60_000
/** Windows of one freeze that may lie over each other. */
const MAX_OVERLAPPING = 64

/** Ms since the epoch when the last of the windows that last now ends; null = none does. */
export function frozenUntil(freezes: readonly Freeze[], now: number): number | null {
  const ends = freezes.flatMap((freeze) => {
    const begun = openFreeze(freeze).previousRuns(MAX_OVERLAPPING, new Date(now + 1))
    return begun.map((start) => start.getTime() + freeze.minutes * MINUTE_MS).filter((end) => end > now)
  })
  return ends.length === 0 ? null : Math.max(...ends)
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
