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

const SKIPPED = /^skipped (\d+): (.*)$/
const CLOSING = /^(\d+) passed, (\d+) failed(?:, \d+ skipped)?$/

/** The lines that tell why tests were skipped, before the closing line. */
export function skipLines(totals: Totals): string[] {
  return [...totals.skips].map(([reason, count]) => `skipped ${count}: ${reason}`)
}

/** What a run said of itself at its end; undefined when it came to none. */
export function readTotals(lines: string[]): Totals | undefined {
  const closing = CLOSING.exec(lines.at(-1) ?? '')
  if (closing === null) return undefined
  const totals = { ...noTotals(), passed: Number(closing[1]), failed: Number(closing[2]) }
  for (const line of lines) {
    const [, count, reason] = SKIPPED.exec(line) ?? []
    for (let n = Number(count ?? 0); n > 0; n--) countSkip(totals, reason as string)
  }
  return totals
}
