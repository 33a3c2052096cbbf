/** Faults on purpose: the part of requests that they hit, to the hundredth of a percent. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { evaluateRoute, RANDOM_END } from '../../../pipelines/policy/route-evaluate.ts'
import { delayOf, sharesOf } from '../../../pipelines/policy/route-fault.ts'
import { possibleOutcomes } from '../../../pipelines/policy/route-possible.ts'
import { respondedHead } from '../../../pipelines/policy/route-respond.ts'
import type { Fault, RouteRule } from '../../../pipelines/policy/route.ts'
import { request } from './small-policies.ts'
import { backend, route, routeRule, service } from './small-routes.ts'

const set = (rule: RouteRule) => ({ policies: [], routes: [route('r', [rule])] })
const QUESTION = { service: service('echo'), client: null, request: request('GET', '/') }
const aborting = (percent: number, parts: Partial<RouteRule> = {}) =>
  routeRule({
    backends: [backend('a', 1), backend('b', 2), backend('c', 0)],
    fault: { abort: { status: 599, percent } },
    ...parts,
  })
const asked = (rule: RouteRule, random: number) => {
  const outcome = evaluateRoute(set(rule), QUESTION, random)
  if (outcome.kind === 'forward') return outcome.service.name
  return `${outcome.kind} ${'status' in outcome ? outcome.status : ''}`
}

describe('aborts', () => {
  const shares = (rule: RouteRule) =>
    sharesOf(rule).map(({ weight, leads }) => [weight, leads === 'abort' ? leads : leads?.service?.name])
  test('have a part of the sum of weights, in the smallest numbers', () => {
    assert.deepEqual(shares(aborting(2_500)), [
      [1, 'abort'],
      [1, 'a'],
      [2, 'b'],
    ])
    assert.deepEqual(shares(aborting(1)), [
      [1, 'abort'],
      [3_333, 'a'],
      [6_666, 'b'],
    ])
  })
  test('none of 0 %, and nothing else of 100 %', () => {
    assert.deepEqual(shares(aborting(0)), [
      [1, 'a'],
      [2, 'b'],
    ])
    assert.deepEqual(shares(aborting(10_000)), [[1, 'abort']])
  })
  test('come first, whatever the backend', () => {
    const rule = aborting(5_000)
    assert.deepEqual(
      [0, 0x7fff_ffff, 0x8000_0000, RANDOM_END - 1].map((random) => asked(rule, random)),
      ['respond 599', 'respond 599', 'a', 'b'],
    )
    const lost = aborting(5_000, { backends: [{ ...backend('a'), service: null }] })
    assert.deepEqual([asked(lost, 0), asked(lost, RANDOM_END - 1)], ['respond 599', 'status 500'])
    const none = aborting(5_000, { backends: [] })
    assert.deepEqual([asked(none, 0), asked(none, RANDOM_END - 1)], ['respond 599', 'status 500'])
  })
  test('are told by their field', () => {
    const outcome = evaluateRoute(set(aborting(10_000)), QUESTION, 7)
    assert.ok(outcome.kind === 'respond')
    assert.equal(
      respondedHead(outcome),
      'HTTP/1.1 599 \r\nServer: heddle\r\nContent-Length: 0\r\nX-Heddle-Fault: abort\r\n\r\n',
    )
  })
  test('are among what can become of a request, with their part', () => {
    const found = possibleOutcomes(set(aborting(2_500)), QUESTION)
    assert.deepEqual(
      found.map(({ weight, sum, outcome }) => [weight, sum, outcome.kind]),
      [
        [1, 4, 'respond'],
        [1, 4, 'forward'],
        [2, 4, 'forward'],
      ],
    )
  })
})

describe('delays', () => {
  const TRIES = 10_000
  /** How many of so many evenly spread random numbers make a request wait. */
  const waiting = (delay: Fault['delay']) =>
    Array.from({ length: TRIES }, (_, i) => Math.floor((i * RANDOM_END) / TRIES) + 1).filter(
      (random) => delayOf({ delay }, random) > 0,
    ).length
  for (const percent of [0, 1, 29, 5_000, 9_999, 10_000])
    test(`${percent / 100} % of all random numbers`, () =>
      assert.equal(waiting({ duration: 5, percent }), percent))
  test('the ends', () => {
    const whole = { delay: { duration: 5, percent: 10_000 } }
    assert.deepEqual([delayOf(whole, 0), delayOf(whole, RANDOM_END - 1)], [5, 5])
    const none = { delay: { duration: 5, percent: 0 } }
    assert.deepEqual([delayOf(none, 0), delayOf(undefined, 0)], [0, 0])
  })
})
