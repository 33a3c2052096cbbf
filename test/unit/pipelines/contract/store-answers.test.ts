import assert from 'node:assert/strict'
import { test } from 'node:test'
import { meaningOf, pauseMs, plainName } from '../../../../pipelines/contract/store-answers.ts'

const answers: [number | undefined, string, ReturnType<typeof meaningOf>][] = [
  [404, 'NoSuchKey', 'missing'],
  [404, 'NotFound', 'missing'],
  [404, 'NoSuchBucket', 'unfit'],
  [301, 'PermanentRedirect', 'unfit'],
  [307, 'x', 'unfit'],
  [412, 'PreconditionFailed', 'precondition'],
  [409, 'ConditionalRequestConflict', 'raced'],
  [409, 'x', 'raced'],
  [403, 'AccessDenied', 'denied'],
  [403, 'RequestTimeTooSkewed', 'raced'],
  [400, 'ExpiredToken', 'denied'],
  [401, 'x', 'denied'],
  [400, 'RequestTimeout', 'unsure'],
  [429, 'x', 'unsure'],
  [500, 'UnknownError', 'unsure'],
  [503, 'SlowDown', 'unsure'],
  [undefined, 'TimeoutError', 'unsure'],
  // A server that calls a loss of the connection so does not make it one of the bucket.
  [undefined, 'NoSuchBucket', 'unsure'],
  [418, 'constructor', 'unsure'],
]
for (const [status, name, meaning] of answers) {
  test(`${status ?? 'no answer'} ${name} is ${meaning}`, () => assert.equal(meaningOf(status, name), meaning))
}

test('pauses grow from 50 ms to 2 s, and any part of each may be taken', () => {
  assert.deepEqual(
    [0, 1, 2, 5, 6, 60].map((attempt) => pauseMs(attempt, 1)),
    [50, 100, 200, 1600, 2000, 2000],
  )
  assert.equal(pauseMs(3, 0), 0)
})

test('a name that is none is not repeated', () => {
  for (const name of [undefined, 7, '', 'a b', '\u001b[2J', 'x'.repeat(65)])
    assert.equal(plainName(name), 'no error that S3 knows')
  assert.equal(plainName('NoSuchKey'), 'NoSuchKey')
})
