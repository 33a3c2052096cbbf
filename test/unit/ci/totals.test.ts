import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addTotals,
  closingLine,
  countSkip,
  noTotals,
  readTotals,
  skipLines,
} from '../../../infra/ci/totals.ts'

test('the closing line names skips only when there are any', () => {
  const totals = { ...noTotals(), passed: 3, failed: 1 }
  assert.equal(closingLine(totals), '3 passed, 1 failed')
  countSkip(totals, 'no corpus')
  assert.equal(closingLine(totals), '3 passed, 1 failed, 1 skipped')
})

test('sums keep the reasons of skips apart', () => {
  const sum = noTotals()
  for (const reason of ['no corpus', 'no root', 'no corpus']) {
    const part = noTotals()
    countSkip(part, reason)
    addTotals(sum, part)
  }
  assert.deepEqual(
    [...sum.skips],
    [
      ['no corpus', 2],
      ['no root', 1],
    ],
  )
  assert.equal(sum.skipped, 3)
})

test('what a run says at its end is read back as it was', () => {
  const totals = { ...noTotals(), passed: 3, failed: 1 }
  for (const reason of ['no corpus', 'no root: 1 passed, 9 failed', 'no corpus']) countSkip(totals, reason)
  assert.deepEqual(readTotals(['unit: 3 files', ...skipLines(totals), closingLine(totals)]), totals)
})

for (const lines of [[], ['3 passed, 0 failed', 'Killed'], ['unit: 3 passed, 0 failed in 1.0 s']]) {
  test(`a run that ends with "${lines.at(-1) ?? ''}" came to no end`, () =>
    assert.equal(readTotals(lines), undefined))
}
