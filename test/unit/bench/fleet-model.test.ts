import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fit, miss, predict, shared, slowest } from '../../bench/fleet/fleet-model.ts'

test('a line through points that lie on one gives them back, and what lies beyond', () => {
  const line = fit([500, 1_000, 2_500].map((size) => ({ size, ms: 200 + 3 * size })))
  assert.ok(Math.abs(line.fixed - 200) < 1e-6 && Math.abs(line.each - 3) < 1e-9)
  assert.ok(Math.abs(predict(line, 100_000) - 300_200) < 1e-3)
})

test('what a line misses of a point that was held out has its sign: too little is above 0', () => {
  const line = { fixed: 0, each: 1 }
  assert.equal(miss(line, { size: 90, ms: 100 }).toFixed(3), '0.100')
  assert.equal(miss(line, { size: 110, ms: 100 }).toFixed(3), '-0.100')
})

test('one size makes no line', () => {
  assert.throws(() => fit([{ size: 5, ms: 1 }]), RangeError)
  assert.throws(
    () =>
      fit([
        { size: 5, ms: 1 },
        { size: 5, ms: 2 },
      ]),
    RangeError,
  )
})

test('nodes of their own wait for what they share, and the slowest of it is named', () => {
  const costs = { agentMs: 1_000, storeMs: 2, busMs: 0.1, functionsMs: 0.3, bytes: 1_000 }
  const parts = shared(costs, { cores: 2, bytesPerSecond: 1e6 }, 1_000)
  assert.deepEqual(parts, {
    'store CPU': 1_000,
    'store network': (1_000_000 / 1e6) * 1_000,
    'bus CPU': 100,
    'reports CPU': 300,
  })
  assert.equal(slowest({ ...parts, 'bus CPU': 1_001 }).name, 'bus CPU')
})
