import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { halfOfSaturation, ratios, type Share, slowPath, summarize } from '../../bench/statistics.ts'

describe('the summary of a case', () => {
  const rows: [string, number[], { median: number; min: number; max: number }][] = [
    ['one round', [7], { median: 7, min: 7, max: 7 }],
    ['an odd number of rounds', [9, 1, 5], { median: 5, min: 1, max: 9 }],
    ['an even number of rounds', [4, 1, 2, 8], { median: 3, min: 1, max: 8 }],
    ['values that sort otherwise as text', [10, 9, 100], { median: 10, min: 9, max: 100 }],
    ['more than three decimals', [0.12345], { median: 0.123, min: 0.123, max: 0.123 }],
  ]
  for (const [what, values, expected] of rows) {
    test(`of ${what}`, () => {
      assert.deepEqual(summarize(values.map((ms) => ({ ms }))), { ms: expected })
    })
  }

  test('holds only metrics that were measured', () => {
    assert.deepEqual(summarize([{}]), {})
  })
})

describe('the ratio of two cases', () => {
  const samples = [10, 40, 90].map((p50_us) => ({ p50_us, p99_us: 1 }))

  test('is that of each round, not of the medians', () => {
    const baseline = [10, 20, 30].map((p50_us) => ({ p50_us }))
    assert.deepEqual(ratios(samples, baseline, ['p50_us']), { p50_us: { median: 2, min: 1, max: 3 } })
  })

  test('leaves out rounds and metrics that the baseline lacks, or where it is 0', () => {
    const baseline = [{ p50_us: 5 }, { p50_us: 0 }]
    const expected = { p50_us: { median: 2, min: 2, max: 2 } }
    assert.deepEqual(ratios(samples, baseline, ['p50_us', 'p99_us']), expected)
  })

  test('holds only the metrics that were asked for', () => {
    assert.deepEqual(ratios(samples, samples, ['p99_us']), { p99_us: { median: 1, min: 1, max: 1 } })
  })
})

describe('half of the saturation', () => {
  const half = (...rates: number[]) =>
    halfOfSaturation(rates.map((requests_per_second) => ({ requests_per_second })))

  test('is half of the median of the rounds, a whole number', () => {
    assert.equal(half(100, 1_000, 60_001), 500)
    assert.equal(half(100_001.5, 100_001.5), 50_001)
  })

  test('is at least one request a second', () => {
    assert.equal(half(0.2), 1)
  })

  test('of a case that was not measured is an error', () => {
    assert.throws(() => halfOfSaturation([]), /not measured/)
    assert.throws(() => halfOfSaturation([{ p50_us: 1 }]), /not measured/)
  })
})

describe('the share of the slow path', () => {
  const before: Share = { kernel: 1_000, relay: 50 }
  const share = (kernel: number, relay: number, answered: number) =>
    slowPath(before, { kernel, relay }, answered).slow_path_share

  test('is of the requests between two readings', () => {
    assert.equal(share(1_000 + 75, 50 + 25, 100), 0.25)
    assert.equal(share(1_000 + 100, 50, 100), 0)
  })

  test('comes with their number, as a few of many round to no share', () => {
    assert.equal(slowPath(before, { kernel: 1_000_000, relay: 53 }, 100).slow_path_requests, 3)
  })

  test('may count requests whose answers the load did not wait for', () => {
    assert.equal(share(1_000 + 150, 50 + 50, 100), 0.25)
  })

  test('is an error when answers came that the mesh did not serve', () => {
    assert.throws(() => share(1_000 + 98, 50 + 1, 100), /100 requests .* served 99: some went past it/)
    assert.throws(() => share(1_000, 50, 1), /went past it/)
  })

  test('of no requests at all is 0', () => {
    assert.equal(share(1_000, 50, 0), 0)
  })
})
