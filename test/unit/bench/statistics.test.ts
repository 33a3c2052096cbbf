import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { summarize } from '../../bench/statistics.ts'

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
