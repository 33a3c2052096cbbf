import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { whenQuiet } from '../../bench/quiet.ts'

const WINDOW_MS = 10_000

/** The machine does `work`, a look each, and nothing from then on; a sample is the number of the attempt. */
function world(work: number[], afterwards = 0) {
  const looks = [...work]
  let samples = 0
  const quiet = whenQuiet(async () => looks.shift() ?? afterwards, WINDOW_MS)
  return { quiet, sample: async () => ++samples }
}

describe('a sample is taken', () => {
  const rows: [string, number[], number, ReturnType<ReturnType<typeof whenQuiet>['told']>][] = [
    ['at once on a quiet machine', [0.1, 0.1], 1, { waited_seconds: 0, repeated: 0, disturbed: 0 }],
    ['when the machine is at rest', [2, 1, 0, 0], 1, { waited_seconds: 20, repeated: 0, disturbed: 0 }],
    [
      'again when somebody worked after it',
      [0, 2, 0, 0],
      2,
      { waited_seconds: 0, repeated: 1, disturbed: 0 },
    ],
    [
      'a last time after three repeats',
      [0, 2, 0, 2, 0, 2, 0, 2],
      4,
      { waited_seconds: 0, repeated: 3, disturbed: 1 },
    ],
  ]
  for (const [what, work, expected, told] of rows) {
    test(what, async () => {
      const { quiet, sample } = world(work)
      assert.equal(await quiet.take(sample), expected)
      assert.deepEqual(quiet.told(), told)
    })
  }

  test('anyhow, and once, when patience has ended; patience is that of the whole run', async () => {
    const { quiet, sample } = world([], 2)
    assert.equal(await quiet.take(sample), 1)
    assert.equal(await quiet.take(sample), 2)
    assert.deepEqual(quiet.told(), { waited_seconds: 300, repeated: 0, disturbed: 2 })
  })
})
