/** `fault` of a route: what goes wrong on purpose. */
import { MAX_WEIGHTS, sharesOf } from '../../policy/route-fault.ts'
import { type Fault, MAX_DELAY_MS, type RouteRule } from '../../policy/route.ts'
import { millisecondsOf } from '../durations.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import { percentOf } from './percent.ts'
import type * as schema from './failure-schema.ts'

function durationOf(reader: Reader, duration: string, at: Path): number {
  const milliseconds = millisecondsOf(duration)
  if (milliseconds >= 1 && milliseconds <= MAX_DELAY_MS) return milliseconds
  const message = `\`${duration}\` is ${milliseconds < 1 ? 'no delay' : `longer than ${MAX_DELAY_MS / 1000}s`}`
  reader.refuse([...at, 'duration'], 'limit-exceeded', message, `write 1ms to ${MAX_DELAY_MS / 1000}s`)
  return MAX_DELAY_MS
}

export function faultOf(reader: Reader, { abort, delay }: schema.Fault, at: Path): Fault {
  if (abort === undefined && delay === undefined)
    reader.refuse(at, 'schema-violation', '`fault` is empty', 'write abort or delay')
  const [aborts, delays] = [
    [...at, 'abort'],
    [...at, 'delay'],
  ]
  return {
    ...(abort && { abort: { status: abort.status, percent: percentOf(reader, abort.percent, aborts) } }),
    ...(delay && {
      delay: {
        duration: durationOf(reader, delay.duration, delays),
        percent: percentOf(reader, delay.percent, delays),
      },
    }),
  }
}

/** An abort has a part of the sum of weights: `at` is where those stand. */
export function checkWeights(reader: Reader, rule: RouteRule, at: Path): void {
  if (sharesOf(rule).reduce((sum, { weight }) => sum + weight, 0) <= MAX_WEIGHTS) return
  const message = 'these weights and the percentage of fault.abort have too large a common sum'
  reader.refuse(at, 'limit-exceeded', message, 'write smaller weights: only their ratio counts')
}
