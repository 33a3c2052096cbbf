/**
 * The reference evaluator of routes: what a policy set means for a request to a service, said in
 * the plainest way. Tables, kernel and slow path are tested against it.
 */
import type { Request } from '../protocols/http1-request.ts'
import type { PolicySet } from './model.ts'
import { type HeaderChange, type RequestChange, requestChange, responseChange } from './route-change.ts'
import { corsOf, preflightOf, withCors } from './route-cors.ts'
import { routeMatches } from './route-match.ts'
import { type Candidate, inPrecedence, routesFor } from './route-precedence.ts'
import { sharesOf } from './route-fault.ts'
import { locationOf } from './route-redirect.ts'
import type { Responded } from './route-respond.ts'
import type { Fault, Field, Redirect, Retry, RouteRule, ServicePort } from './route.ts'
import type { Source } from './source.ts'

/** What is known of a service while requests run; `unknown` = there is no such service. */
export type Endpoints = 'ready' | 'none' | 'unknown'

/** `client`: namespace of the asking workload, null = no workload. `endpoints`: without it, all are ready. */
export type RouteQuestion = {
  service: ServicePort
  client: string | null
  request: Request
  endpoints?: (service: ServicePort) => Endpoints
}

/** The match that decided; undefined where no match held, or no route is there. */
export type DecidingMatch = { route: string; namespace: string; source: Source }

/** Timeouts in milliseconds, 0 = none. */
export type Forward = {
  kind: 'forward'
  service: ServicePort
  request: RequestChange
  response: HeaderChange
  requestTimeout: number
  backendTimeout: number
  idleTimeout?: number
  retry?: Retry
  /** Milliseconds that a part of the requests waits. */
  delay?: NonNullable<Fault['delay']>
}

/** `location` is a whole URL, one character a byte; `response` is done to the local reply. */
export type Redirected = {
  kind: 'redirect'
  status: Redirect['status']
  location: string
  response: HeaderChange
}

/** A direct response; `fault`: one that is given on purpose. */
export type Direct = { kind: 'respond'; fault?: 'abort' } & Responded

/** The answer to a preflight. */
export type Preflight = { kind: 'preflight'; status: 200; fields: Field[] }

/** no-route: 404. no-backend, unresolved: 500. no-endpoint: 503. */
export type Refused = { kind: 'status' } & (
  | { status: 404; reason: 'no-match' }
  | { status: 500; reason: 'no-backend' | 'unresolved' }
  | { status: 503; reason: 'no-endpoint' }
)

export type RouteOutcome = { deciding: DecidingMatch | undefined } & (
  | Forward
  | Redirected
  | Direct
  | Preflight
  | Refused
)

/** One more than the largest random number. */
export const RANDOM_END = 0x1_0000_0000

/**
 * What a random number (0 to 2^32 - 1) leads to: that in whose part of the sum of weights
 * floor(random * sum / 2^32) lies. The product is below 2^64: a kernel needs 64 bits for it.
 */
function drawn(rule: RouteRule, random: number): ReturnType<typeof sharesOf>[number]['leads'] {
  const shares = sharesOf(rule)
  const sum = shares.reduce((total, { weight }) => total + weight, 0)
  let point = Number((BigInt(random) * BigInt(sum)) / BigInt(RANDOM_END))
  for (const { weight, leads } of shares) {
    if (point < weight) return leads
    point -= weight
  }
  return undefined
}

/** Told from a failure by its field. */
export function aborted({ fault }: Pick<RouteRule, 'fault'>): Direct {
  const append = [{ name: 'X-Heddle-Fault', value: 'abort' }]
  const status = fault?.abort?.status ?? 500
  return { kind: 'respond', fault: 'abort', status, body: '', response: { drop: [], append } }
}

const unchanged = (): HeaderChange => ({ drop: [], append: [] })

/** 500 for a service that is not there, 503 for one that nobody serves (HTTPRouteRule.backendRefs). */
function reachable(forward: Forward, question: RouteQuestion): Forward | Refused {
  switch (question.endpoints?.(forward.service) ?? 'ready') {
    case 'ready':
      return forward
    case 'none':
      return { kind: 'status', status: 503, reason: 'no-endpoint' }
    case 'unknown':
      return { kind: 'status', status: 500, reason: 'unresolved' }
  }
}

/** What follows from the match that holds: the rule's filters, a backend, and the backend's filters. */
function follow(
  { rule, match }: Candidate,
  question: RouteQuestion,
  random: number,
): Forward | Redirected | Direct | Preflight | Refused {
  const backend = drawn(rule, random)
  if (backend === 'abort') return aborted(rule)
  const filters = [...rule.filters, ...(backend?.filters ?? [])]
  const answer = filters.find((filter) => filter.kind === 'redirect' || filter.kind === 'respond')
  if (backend?.service === null) return { kind: 'status', status: 500, reason: 'unresolved' }
  if (backend === undefined && answer === undefined)
    return { kind: 'status', status: 500, reason: 'no-backend' }
  const cors = corsOf(filters)
  const fields = cors && preflightOf(cors, question.request)
  if (fields !== undefined) return { kind: 'preflight', status: 200, fields }
  const response = withCors(responseChange(filters), cors, question.request)
  if (answer?.kind === 'respond') return { ...answer, response }
  if (answer !== undefined) {
    const location = locationOf(answer, match, question)
    return { kind: 'redirect', status: answer.status, location, response }
  }
  const forward: Forward = {
    kind: 'forward',
    service: backend?.service as ServicePort,
    request: requestChange(filters, match),
    response,
    requestTimeout: rule.requestTimeout,
    backendTimeout: rule.backendTimeout,
    ...(rule.idleTimeout ? { idleTimeout: rule.idleTimeout } : {}),
    ...(rule.retry === undefined ? {} : { retry: rule.retry }),
    ...(rule.fault?.delay === undefined ? {} : { delay: rule.fault.delay }),
  }
  return reachable(forward, question)
}

/**
 * Where a request to a service goes. `random` (0 to 2^32 - 1) chooses among backends. A backend's
 * own routes are not asked: a route speaks of a service's front, and sends to its endpoints
 * (GEP-1294, Multiple routes for a Service).
 */
export function evaluateRoute(set: PolicySet, question: RouteQuestion, random: number): RouteOutcome {
  const { service, client, request } = question
  const routes = routesFor(set, service, client)
  if (routes.length === 0) {
    const change: RequestChange = { path: null, host: null, headers: unchanged() }
    const timeouts = { requestTimeout: 0, backendTimeout: 0 }
    const own: Forward = { kind: 'forward', service, request: change, response: unchanged(), ...timeouts }
    return { deciding: undefined, ...reachable(own, question) }
  }
  const decided = inPrecedence(routes).find(({ match }) => routeMatches(match, request))
  if (decided === undefined) {
    return { deciding: undefined, kind: 'status', status: 404, reason: 'no-match' }
  }
  const { name, namespace } = decided.route
  const deciding = { route: name, namespace, source: decided.match.source }
  return { deciding, ...follow(decided, question, random) }
}
