/**
 * Routes → sets: what one service port's routes say to the clients of one namespace, or to
 * everyone else, in the order in which it is asked (policy/route-precedence.ts).
 */
import type { RouteEntry } from '../contract/artifact.ts'
import type { Route, ServicePort } from '../policy/route.ts'
import { type Candidate, inPrecedence } from '../policy/route-precedence.ts'

export type RouteSet = {
  readonly service: { readonly namespace: string; readonly name: string }
  readonly candidates: readonly Candidate[]
}

export type RouteSets = {
  /** For whom each set is; several entries may name one set. */
  readonly entries: readonly RouteEntry[]
  readonly sets: readonly RouteSet[]
}

/** Values in the order in which they come, and `null` as the first. */
function withNull<T>(values: readonly (T | null)[]): (T | null)[] {
  return [...new Set([null, ...values])]
}

/** Own routes of a namespace stand instead of those for everyone, so a set has routes of one kind only. */
export function routeSets(routes: readonly Route[]): RouteSets {
  const services = new Map<string, Route[]>()
  for (const route of routes) {
    const key = `${route.service.namespace}/${route.service.name}`
    const list = services.get(key)
    if (list === undefined) services.set(key, [route])
    else list.push(route)
  }
  const entries: RouteEntry[] = []
  const sets: RouteSet[] = []
  for (const attached of services.values()) {
    const { namespace, name } = (attached[0] as Route).service
    const numbers = new Map<string, number>()
    const places = new Map(attached.map((route, place) => [route, place]))
    for (const port of withNull(attached.map(({ service }) => service.port))) {
      for (const clients of withNull(attached.map((route) => route.clients))) {
        const own = attached.filter(
          (route) =>
            route.clients === clients && (route.service.port === null || route.service.port === port),
        )
        if (own.length === 0) continue
        const key = own.map((route) => places.get(route)).join()
        const set = numbers.get(key) ?? sets.length
        if (set === sets.length) sets.push({ service: { namespace, name }, candidates: inPrecedence(own) })
        numbers.set(key, set)
        entries.push({ service: { namespace, name, port }, clients, set })
      }
    }
  }
  return { entries, sets }
}

/**
 * The number of the set that a client of `namespace` (null = no workload) meets at a service's
 * port; undefined = it has no routes, and requests go to its own endpoints.
 */
export function routeSetFor(
  entries: readonly RouteEntry[],
  { namespace, name, port }: ServicePort,
  client: string | null,
): number | undefined {
  const ofService = entries.filter(({ service }) => service.namespace === namespace && service.name === name)
  const known = ofService.some(({ service }) => service.port === port) ? port : null
  const ofPort = ofService.filter(({ service }) => service.port === known)
  const own = ofPort.find(({ clients }) => clients !== null && clients === client)
  return (own ?? ofPort.find(({ clients }) => clients === null))?.set
}
