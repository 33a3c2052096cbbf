/**
 * Which routes a client's requests meet, and in which order their matches are asked: the first
 * that holds decides. The evaluator walks this order, the compiler numbers it.
 */
import type { PolicySet } from './model.ts'
import type { PathMatch, Route, RouteMatch, RouteRule, ServicePort } from './route.ts'

/** One match, with all that follows from it. */
export type Candidate = { route: Route; rule: RouteRule; match: RouteMatch }

/**
 * HTTPRouteRule.matches: exact, then the longest prefix. It leaves to implementations where a
 * regular expression stands: behind exact paths and before every prefix, or a rule for / would
 * hide it; of two, the longer first.
 */
const PATH_KINDS: Record<PathMatch['kind'], number> = { exact: 0, regex: 1, prefix: 2 }

function bySpecifics({ match: left }: Candidate, { match: right }: Candidate): number {
  return (
    PATH_KINDS[left.path.kind] - PATH_KINDS[right.path.kind] ||
    right.path.value.length - left.path.value.length ||
    Number(right.method !== undefined) - Number(left.method !== undefined) ||
    right.headers.length - left.headers.length ||
    right.query.length - left.query.length
  )
}

const age = ({ created }: Route) => (created === '' ? Number.POSITIVE_INFINITY : Date.parse(created))
const fullName = ({ namespace, name }: Route) => `${namespace}/${name}`

function byAgeAndName(left: Route, right: Route): number {
  if (age(left) !== age(right)) return age(left) < age(right) ? -1 : 1
  if (fullName(left) === fullName(right)) return 0
  return fullName(left) < fullName(right) ? -1 : 1
}

/** Every match of these routes, first the one that is asked first. */
export function inPrecedence(routes: readonly Route[]): Candidate[] {
  // Sorting is stable: ties stay as routes, rules and matches stand here.
  return [...routes]
    .sort(byAgeAndName)
    .flatMap((route) => route.rules.flatMap((rule) => rule.matches.map((match) => ({ route, rule, match }))))
    .sort(bySpecifics)
}

/**
 * Routes for a service's port, as the workloads of a namespace meet them: their own
 * namespace's routes if there are any, else those for everyone. `null` = no workload.
 */
export function routesFor(set: PolicySet, service: ServicePort, client: string | null): Route[] {
  const attached = set.routes.filter(
    ({ service: { namespace, name, port } }) =>
      namespace === service.namespace && name === service.name && (port ?? service.port) === service.port,
  )
  const own = attached.filter(({ clients }) => clients !== null && clients === client)
  return own.length > 0 ? own : attached.filter(({ clients }) => clients === null)
}
