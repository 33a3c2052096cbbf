/**
 * Latencies as the kernel counts them: four buckets an octave of microseconds, so that a bucket's
 * bound is at most a quarter above what is in it (bpf/lib/latency.h has the same rule).
 */
import { LATENCY_BUCKETS } from '../contract/release.ts'

/** Upper bound of a bucket, in milliseconds. */
export function boundOf(bucket: number): number {
  if (bucket < 4) return (bucket + 1) / 1000
  const octave = Math.floor(bucket / 4) + 1
  return (2 ** octave * (1 + ((bucket % 4) + 1) / 4)) / 1000
}

/** Milliseconds that `share` of all stayed below; undefined where nothing was counted. */
export function percentile(buckets: readonly number[], share: number): number | undefined {
  const all = buckets.reduce((sum, count) => sum + count, 0)
  if (all === 0) return undefined
  let left = Math.ceil(all * share)
  for (const [bucket, count] of buckets.entries()) {
    left -= count
    if (left <= 0) return boundOf(bucket)
  }
  return boundOf(LATENCY_BUCKETS - 1)
}
