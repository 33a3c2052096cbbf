/** All that can become of a request to a service, whatever the random number that chooses among backends. */
import type { PolicySet } from './model.ts'
import {
  type DecidingMatch,
  evaluateRoute,
  RANDOM_END,
  type RouteOutcome,
  type RouteQuestion,
} from './route-evaluate.ts'
import { type Share, sharesOf } from './route-fault.ts'
import { inPrecedence, routesFor } from './route-precedence.ts'

/** `weight` of `sum` requests meet it; 1 of 1 where there is nothing to choose. */
export type Possible = { weight: number; sum: number; outcome: RouteOutcome }

/** One for each backend that gets requests, and for an abort; the evaluator itself says what becomes of them there. */
export function possibleOutcomes(set: PolicySet, question: RouteQuestion): [Possible, ...Possible[]] {
  const outcome = evaluateRoute(set, question, 0)
  const shares = sharesBehind(set, question, outcome.deciding)
  const sum = shares.reduce((total, { weight }) => total + weight, 0)
  let before = 0
  const [first, ...others] = shares.map(({ weight }) => {
    const random = Number((BigInt(before) * BigInt(RANDOM_END) + BigInt(sum - 1)) / BigInt(sum))
    before += weight
    return { weight, sum, outcome: evaluateRoute(set, question, random) }
  })
  return first === undefined ? [{ weight: 1, sum: 1, outcome }] : [first, ...others]
}

function sharesBehind(
  set: PolicySet,
  { service, client }: RouteQuestion,
  deciding: DecidingMatch | undefined,
): readonly Share[] {
  const place = JSON.stringify(deciding)
  const found = inPrecedence(routesFor(set, service, client)).find(
    ({ route: { name, namespace }, match: { source } }) =>
      JSON.stringify({ route: name, namespace, source }) === place,
  )
  return found === undefined ? [] : sharesOf(found.rule)
}
