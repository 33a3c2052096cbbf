/** Durations of the Gateway API (GEP-2257): up to four numbers with units, 1h30m or 500ms. */
const MILLISECONDS: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

/** Milliseconds of a duration that the schema let in. */
export function millisecondsOf(duration: string): number {
  const parts = [...duration.matchAll(/(\d+)(ms|h|m|s)/g)]
  return parts.reduce(
    (sum, [, number, unit]) => sum + Number(number) * (MILLISECONDS[unit as string] ?? 0),
    0,
  )
}
