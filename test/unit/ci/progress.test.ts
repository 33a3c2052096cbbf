import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Progress, TELL_EVERY_MS } from '../../../infra/ci/progress.ts'

const FILE = '/clone/dist/test/bpf/long.test.js'

/** A file that began when the clock was at 0, and what was seen of it since. */
function progressAt(clock: number, ...seen: [string, string][]): string[] {
  let now = 0
  const progress = new Progress('/clone', () => now)
  progress.see('test:dequeue', { name: FILE, file: FILE })
  for (const [type, name] of seen) progress.see(type, { name, file: FILE })
  now = clock
  return progress.lines()
}

test('a file is told of once it has been under way for a while, and not before', () => {
  assert.deepEqual(progressAt(TELL_EVERY_MS - 1), [])
  assert.deepEqual(progressAt(TELL_EVERY_MS), ['  1 min  test/bpf/long.test.js: 0 tests done'])
})

test('it is told how many of its tests are done, and which one was the last', () => {
  const seen: [string, string][] = [
    ['test:dequeue', 'a'],
    ['test:pass', 'a'],
    ['test:fail', 'b'],
  ]
  assert.deepEqual(progressAt(125_000, ...seen), [
    '  2 min  test/bpf/long.test.js: 2 tests done, the last: b',
  ])
})

test('a file that is done is not told of', () => {
  assert.deepEqual(progressAt(125_000, ['test:complete', FILE]), [])
})
