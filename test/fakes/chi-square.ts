/** Pearson's chi-square test: are counts as they were expected to be? */

/** Of observed counts against shares. A share of 0 that was observed is Infinity. */
export function chiSquare(observed: readonly number[], shares: readonly number[]): number {
  const count = observed.reduce((sum, each) => sum + each, 0)
  const total = shares.reduce((sum, each) => sum + each, 0)
  return observed.reduce((sum, each, index) => {
    const expected = (count * (shares[index] ?? 0)) / total
    if (expected === 0) return each === 0 ? sum : Number.POSITIVE_INFINITY
    return sum + (each - expected) ** 2 / expected
  }, 0)
}

/** What chance exceeds once in a hundred thousand times (Wilson and Hilferty's approximation). */
export function chiSquareLimit(freedom: number): number {
  if (freedom === 0) return 0
  const spread = 2 / (9 * freedom)
  return freedom * (1 - spread + 4.265 * Math.sqrt(spread)) ** 3
}
