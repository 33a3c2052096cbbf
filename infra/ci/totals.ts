/** What happened in a run of tests, and how it is told. */
export type Totals = {
  passed: number
  failed: number
  skipped: number
  /** reason -> how many tests named it */
  skips: Map<string, number>
}

export const noTotals = (): Totals => ({ passed: 0, failed: 0, skipped: 0, skips: new Map() })

export function countSkip(totals: Totals, reason: string): void {
  totals.skipped++
  totals.skips.set(reason, (totals.skips.get(reason) ?? 0) + 1)
}

export function addTotals(sum: Totals, part: Totals): void {
  sum.passed += part.passed
  sum.failed += part.failed
  sum.skipped += part.skipped
  for (const [reason, count] of part.skips) sum.skips.set(reason, (sum.skips.get(reason) ?? 0) + count)
}

/** The closing line that machines read: `N passed, N failed[, N skipped]`. */
export function closingLine(totals: Totals): string {
  const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''
  return `${totals.passed} passed, ${totals.failed} failed${skipped}`
}
