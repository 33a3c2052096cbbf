/**
 * Capacities of the tables. The code of each is signed once and serves every policy
 * that fits, so there are few; a step is a factor of four, as an unused word costs
 * only memory.
 */
import { MAX_WORDS_LOG2 } from '../../pipelines/tables/layout.ts'

/** log2 of 32-bit words: 64 kB to 32 MB. */
export const CAPACITIES_LOG2: readonly number[] = [14, 16, 18, 20, 22, MAX_WORDS_LOG2]

/** Name of the program text that has this capacity: TUF target `code/<name>.json`. */
export function variantName(log2: number): string {
  return `inbound-${log2}`
}

/** The smallest capacity for so many words. RangeError above the largest: the tables have that limit too. */
export function capacityFor(words: number): number {
  const found = CAPACITIES_LOG2.find((log2) => words <= 2 ** log2)
  if (found === undefined) throw new RangeError(`${words} words fit no variant`)
  return found
}

/** The tables with zeros behind them, to the capacity. */
export function padTables(blob: Uint8Array, log2: number): Uint8Array {
  const padded = new Uint8Array(4 * 2 ** log2)
  padded.set(blob)
  return padded
}
