/** libFuzzer on the kernel's parsers; in deep runs only. */
import { test } from 'node:test'
import { fuzz } from './harness.ts'
import { Random, requestStream } from './streams.ts'

const SEED = 7_230
const RUNS = 1_000_000

test('no input makes the parsers read beyond a segment, or say two things of one stream', {
  skip: process.env['HEDDLE_DEEP'] === '1' ? false : 'fuzzing runs in test:deep',
}, async (context) => {
  const random = new Random(SEED)
  // fuzz.c: a byte for what it is, four for how it is cut.
  const header = () => Buffer.from([0, ...Array.from({ length: 4 }, () => random.below(256))])
  const inputs = Array.from({ length: 500 }, () => Buffer.concat([header(), requestStream(random)]))
  context.diagnostic(await fuzz(inputs, RUNS, SEED))
})
