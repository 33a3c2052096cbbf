/** `service` and `routes` of a policy → a route of the model: what an HTTPRoute that says the same becomes. */
import type { Backend, Retry, Route, RouteRule } from '../../policy/route.ts'
import type { FailureCode } from '../../contract/failures.ts'
import { millisecondsOf } from '../durations.ts'
import type { Reader } from '../reader.ts'
import { backendServiceOf, frontendOf, type References, type Unresolved } from '../routes/references.ts'
import { retryOf, timeoutsOf } from '../routes/retries.ts'
import type { Path } from '../source-node.ts'
import type { ServiceSpec } from './forms.ts'
import { checkWeights, faultOf } from './route-fault.ts'
import { filtersOf, headerFilters } from './route-filters.ts'
import { percentOf } from './percent.ts'
import { routeMatches } from './route-match.ts'
import type * as schema from './failure-schema.ts'
import { type Destination, MAX_DESTINATIONS, MAX_ROUTES } from './route-schema.ts'
import type { MeshRoute } from './schema.ts'

/** Where a policy stands, and what its references may lead to. */
export type Reach = { name: string; namespace: string; references: References }
type Service = Route['service']

const SERVICE = ['spec', 'service']

/** The Service that a policy is about; undefined = refused. */
export function serviceOf(
  reader: Reader,
  { name, namespace, port }: ServiceSpec['service'],
  reach: Reach,
): Service | undefined {
  const ref = { group: '', kind: 'Service', name, namespace, port }
  const found = frontendOf(ref, reach.namespace, reach.references)
  if ('name' in found) return found
  const code = found.reason === 'UnsupportedValue' ? 'unsupported-feature' : 'schema-violation'
  reader.refuse(SERVICE, code, found.message, found.hint)
  return undefined
}

const CODES: Record<Unresolved['reason'], FailureCode> = {
  InvalidKind: 'unsupported-feature',
  UnsupportedProtocol: 'unsupported-feature',
  RefNotPermitted: 'tenancy-violation',
  BackendNotFound: 'schema-violation',
}

function backendOf(reader: Reader, to: Destination, at: Path, reach: Reach & { front: string }): Backend {
  const { service: name, namespace, port, weight = 1 } = to
  const asking = { kind: 'MeshPolicy' as const, namespace: reach.namespace, frontends: [reach.front] }
  const ref = { group: '', kind: 'Service', name, namespace, port }
  const service = backendServiceOf(ref, asking, reach.references)
  const filters = headerFilters(reader, to, at)
  if ('name' in service) return { service, weight, filters }
  reader.refuse([...at, 'service'], CODES[service.reason], service.message, service.hint)
  return { service: null, weight, filters }
}

function backendsOf(
  reader: Reader,
  to: Destination[],
  at: Path,
  reach: Reach & { front: string },
): Backend[] {
  if (to.length > MAX_DESTINATIONS) {
    const message = `${to.length} services in one route, more than ${MAX_DESTINATIONS}`
    reader.refuse(at, 'limit-exceeded', message, 'write several routes')
    return []
  }
  const backends = to.map((each, index) => backendOf(reader, each, [...at, index], reach))
  if (backends.every(({ weight }) => weight === 0)) {
    const message = 'no service of this route gets a request: every weight is 0'
    reader.refuse(at, 'schema-violation', message, 'give one of them a weight')
  }
  return backends
}

/** What is for requests that go on to a server, and says nothing of those that are answered here. */
const ON_THE_WAY = [
  'rewrite',
  'requestHeaders',
  'timeout',
  'retry',
  'fault',
] as const satisfies (keyof MeshRoute)[]

function checkTogether(reader: Reader, route: MeshRoute, rule: RouteRule, at: Path): void {
  const ends = (['to', 'redirect', 'respond'] as const).filter((field) => route[field] !== undefined)
  const [end, second] = ends
  if (end === undefined) {
    const hint = 'write to: [{service: …, port: …}], redirect: {…} or respond: {status: …}'
    reader.refuse(at, 'schema-violation', 'a route that leads nowhere', hint)
  } else if (second !== undefined) {
    const message = `\`${second}\` beside \`${end}\` in one route`
    reader.refuse([...at, second], 'schema-violation', message, 'write a route of its own for each')
  }
  if (end !== undefined && end !== 'to') {
    for (const field of ON_THE_WAY) {
      if (route[field] === undefined) continue
      const message = `\`${field}\` beside \`${end}\`: no request of this route reaches a server`
      reader.refuse([...at, field], 'schema-violation', message, 'remove it')
    }
  }
  for (const field of ['redirect', 'rewrite'] as const) {
    if (route[field]?.prefix === undefined || rule.matches.every(({ path }) => path.kind === 'prefix'))
      continue
    const message = 'a new prefix where the match is not by prefix'
    reader.refuse([...at, field, 'prefix'], 'schema-violation', message, 'write match: {path: {prefix: …}}')
  }
}

function timesOf(reader: Reader, { timeout = { request: '0s' } }: MeshRoute, at: Path) {
  const here = [...at, 'timeout']
  if (Object.keys(timeout).length === 0)
    reader.refuse(here, 'schema-violation', '`timeout` is empty', 'write request, try or idle')
  const times = { request: timeout.request, each: timeout.try }
  const [requestTimeout, backendTimeout] = timeoutsOf(reader, times, here, 'try')
  const idleTimeout = millisecondsOf(timeout.idle ?? '0s')
  return { requestTimeout, backendTimeout, ...(idleTimeout === 0 ? {} : { idleTimeout }) }
}

/** Where nothing is written: Envoy's. */
const USUAL_PERCENT = 20
const USUAL_LEAST = 3

function againOf(reader: Reader, written: schema.Retry, at: Path): Retry {
  const retry = retryOf(reader, { ...written, codes: written.codes ?? [] }, at)
  if (written.budget === undefined) return retry
  const { percent = USUAL_PERCENT, least = USUAL_LEAST } = written.budget
  return { ...retry, budget: { percent: percentOf(reader, percent, [...at, 'budget']), least } }
}

function ruleOf(reader: Reader, route: MeshRoute, at: Path, reach: Reach & { front: string }): RouteRule {
  const { name, match, to, retry, fault } = route
  const rule: RouteRule = {
    source: reader.place(at),
    ...(name === undefined ? {} : { name }),
    matches: routeMatches(reader, match, match === undefined ? at : [...at, 'match']),
    filters: filtersOf(reader, route, at),
    backends: to === undefined ? [] : backendsOf(reader, to, [...at, 'to'], reach),
    ...timesOf(reader, route, at),
    ...(retry && { retry: againOf(reader, retry, [...at, 'retry']) }),
    ...(fault === undefined ? {} : { fault: faultOf(reader, fault, [...at, 'fault']) }),
  }
  checkWeights(reader, rule, [...at, 'to'])
  checkTogether(reader, route, rule, at)
  return rule
}

/** One of both has no use for people. */
function checkNames(reader: Reader, routes: readonly MeshRoute[], at: Path): void {
  const names = routes.map(({ name }) => name)
  for (const [index, name] of names.entries()) {
    if (name === undefined || names.indexOf(name) === index) continue
    const message = `a second route with the name \`${name}\``
    reader.refuse([...at, index, 'name'], 'schema-violation', message, 'give it another name')
  }
}

/** None where nothing is routed, or something is refused that leaves no route. `front`: what the policy is about. */
export function routesOf(
  reader: Reader,
  { routes = [] }: ServiceSpec,
  reach: Reach & { front: Service | undefined },
): Route[] {
  const at = ['spec', 'routes']
  if (routes.length > MAX_ROUTES) {
    const message = `${routes.length} routes in one policy, more than ${MAX_ROUTES}`
    reader.refuse(at, 'limit-exceeded', message, 'write several policies of one service')
    return []
  }
  const { front } = reach
  checkNames(reader, routes, at)
  const from = { ...reach, front: front?.namespace ?? reach.namespace }
  const rules = routes.map((route, index) => ruleOf(reader, route, [...at, index], from))
  if (front === undefined || rules.length === 0) return []
  const { name, namespace } = reach
  const clients = front.namespace === namespace ? null : namespace
  return [{ name, namespace, source: reader.place(SERVICE), created: '', service: front, clients, rules }]
}
