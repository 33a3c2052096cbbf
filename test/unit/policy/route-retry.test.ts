import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retryWait, type Tried } from '../../../pipelines/policy/route-retry.ts'
import type { Retry } from '../../../pipelines/policy/route.ts'

const retry = (parts: Partial<Retry> = {}): Retry => ({ codes: [503], attempts: 10, backoff: 0, ...parts })

test('without a policy nothing is sent again', () =>
  assert.equal(retryWait(undefined, 1, 'no response'), undefined))

for (const [tried, again] of [
  [503, true],
  ['no response', true],
  [500, false],
  [200, false],
] satisfies [Tried, boolean][])
  test(`where 503 is no answer, ${tried} is ${again ? 'none either' : 'one'}`, () =>
    assert.equal(retryWait(retry(), 1, tried), again ? 0 : undefined))

test('as often as the policy says, behind the first time', () => {
  const waits = [1, 2, 3, 4].map((tries) => retryWait(retry({ attempts: 3 }), tries, 503))
  assert.deepEqual(waits, [0, 0, 0, undefined])
})

test('waiting doubles up to a second, and never is shorter than the policy says', () => {
  const waits = (backoff: number) =>
    [1, 2, 3, 4, 5].map((tries) => retryWait(retry({ backoff }), tries, 'no response'))
  assert.deepEqual(waits(100), [100, 200, 400, 800, 1_000])
  assert.deepEqual(waits(3_000), [3_000, 3_000, 3_000, 3_000, 3_000])
})
