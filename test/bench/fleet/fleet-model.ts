/** What a fleet of any size would take, from fleets that were measured. Pure. */

/** `size` in nodes; `ms` from the push until all enforce. */
export type Point = { size: number; ms: number }
/** ms = fixed + each * size */
export type Line = { fixed: number; each: number }

/** Least squares. Throws RangeError below two sizes. */
export function fit(points: readonly Point[]): Line {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [size, ms] = [mean(points.map((point) => point.size)), mean(points.map((point) => point.ms))]
  const spread = points.reduce((sum, point) => sum + (point.size - size) ** 2, 0)
  if (!(spread > 0)) throw new RangeError('a line needs fleets of two sizes')
  const each = points.reduce((sum, point) => sum + (point.size - size) * (point.ms - ms), 0) / spread
  return { fixed: ms - each * size, each }
}

export const predict = (line: Line, size: number): number => line.fixed + line.each * size

/** Part by which the line misses a point that it was not made from; 0.1 = a tenth too little. */
export const miss = (line: Line, held: Point): number => 1 - predict(line, held.size) / held.ms

/** CPU a node costs each of those who work for it, and what it reads, a release. */
export type Costs = { agentMs: number; storeMs: number; busMs: number; functionsMs: number; bytes: number }

/** What a larger fleet's common parts have. */
export type Common = { cores: number; bytesPerSecond: number }

/**
 * Where every node has a machine of its own, the agents' work is done side by side and only what the
 * nodes share grows with them: milliseconds that each of it takes for `size` nodes. The longest is
 * what holds the fleet up, as all of it goes on at the same time.
 */
export function shared(
  costs: Costs,
  { cores, bytesPerSecond }: Common,
  size: number,
): Record<string, number> {
  return {
    'store CPU': (costs.storeMs * size) / cores,
    'store network': ((costs.bytes * size) / bytesPerSecond) * 1000,
    // One process each, and what it does for a node is done in order.
    'bus CPU': costs.busMs * size,
    'reports CPU': costs.functionsMs * size,
  }
}

export function slowest(parts: Record<string, number>): { name: string; ms: number } {
  const [[name, ms] = ['nothing', 0]] = Object.entries(parts).sort((a, b) => b[1] - a[1])
  return { name, ms }
}
