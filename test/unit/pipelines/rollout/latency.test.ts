import assert from 'node:assert/strict'
import { it } from 'node:test'
import { boundOf, percentile } from '../../../../pipelines/rollout/latency.ts'

/** As bpf/programs/parts/measure.h chooses. */
function bucketOf(microseconds: number): number {
  if (microseconds < 4) return microseconds
  const octave = Math.floor(Math.log2(microseconds))
  return (octave - 1) * 4 + (Math.floor(microseconds / 2 ** (octave - 2)) & 3)
}

it('a bucket has what lies below its bound, and not below the one before', () => {
  for (let us = 1; us < 20_000; us++) {
    const bucket = bucketOf(us)
    assert.ok(us / 1000 < boundOf(bucket), `${us} us`)
    assert.ok(us / 1000 >= boundOf(bucket - 1), `${us} us`)
  }
})

it('a percentile is the bound of the bucket that it falls into', () => {
  const buckets: number[] = []
  for (let us = 0; us < 1000; us++) buckets[bucketOf(us)] = (buckets[bucketOf(us)] ?? 0) + 1
  const found =
    percentile(
      Array.from(buckets, (count) => count ?? 0),
      0.99,
    ) ?? 0
  assert.ok(found >= 0.99 && found < 0.99 * 1.25, `${found}`)
  assert.equal(percentile([], 0.99), undefined)
})
