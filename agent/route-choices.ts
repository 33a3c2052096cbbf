/** What a generation's manifest says of routes, in the numbers of this node: which set is whose. Pure. */
import { Limit } from '../bpf/abi/heddle.gen.ts'
import type { BreakerEntry, RouteEntry } from '../pipelines/contract/artifact.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import type { ServicePort } from '../pipelines/policy/route.ts'
import { serviceKey } from '../pipelines/services/model.ts'
import type { BreakerChoice, RouteChoice, RouteContent } from './ports.ts'
import type { IdentityEntry } from './state.ts'

/** Of a manifest. */
export type ManifestRoutes = {
  services: readonly ServicePort[]
  routes: readonly RouteEntry[]
  breakers?: readonly BreakerEntry[] | undefined
}

/** The live data of a node: numbers of service ports by serviceKey(), and its label sets. */
export type Live = { numbers: ReadonlyMap<string, number>; identities: readonly IdentityEntry[] }

/**
 * A service port that has a number meets the routes of its own port, or else those for every port of
 * the service. Says the same as routeSetFor() of pipelines/tables/route-sets.ts, for all clients at once.
 * Throws Failure('limit-exceeded').
 */
export function routeContentFor(
  { services, routes, breakers = [] }: ManifestRoutes,
  { numbers, identities }: Live,
): RouteContent {
  if (services.length > Limit.MAX_SERVICES) {
    const message = `the routes of an artifact name ${services.length} services; the limit is ${Limit.MAX_SERVICES}`
    throw new Failure('limit-exceeded', message)
  }
  const entriesOf = routedPorts(routes)
  const members = grouped(identities, ({ namespace }) => namespace)
  const choices: RouteChoice[] = []
  for (const [service, number] of numbers) {
    for (const choice of choicesFor(number, entriesOf(service), members)) {
      if (choices.length >= Limit.MAX_ROUTE_KEYS) {
        const message = `at ${service} there are more than ${Limit.MAX_ROUTE_KEYS} services and identities with routes of their own`
        throw new Failure('limit-exceeded', message)
      }
      choices.push(choice)
    }
  }
  const backends = services.map((service) => numbers.get(serviceKey(service)) ?? null)
  const own = breakersFor(breakers, numbers)
  return { choices, backends, ...(own.length > 0 && { breakers: own }) }
}

/** As breakerFor() of pipelines/policy/breaker.ts, for all services of the node. */
function breakersFor(entries: readonly BreakerEntry[], numbers: Live['numbers']): BreakerChoice[] {
  const rules = new Map(
    entries.map(({ service: { namespace, name, port }, rule }) => [
      `${namespace}/${name}:${port ?? ''}`,
      rule,
    ]),
  )
  if (rules.size === 0) return []
  return [...numbers].flatMap(([service, number]) => {
    const rule = rules.get(service) ?? rules.get(service.slice(0, service.lastIndexOf(':') + 1))
    return rule === undefined ? [] : [{ service: number, rule }]
  })
}

/** Entries by serviceKey(): those of the port, or those of every port that no entry names. */
function routedPorts(routes: readonly RouteEntry[]): (service: string) => readonly RouteEntry[] {
  const named = ({ namespace, name }: RouteEntry['service']) => `${namespace}/${name}`
  const byPort = grouped(routes, ({ service }) => `${named(service)}:${service.port ?? ''}`)
  return (service) => {
    const everyPort = service.slice(0, service.lastIndexOf(':') + 1)
    return byPort.get(service) ?? byPort.get(everyPort) ?? []
  }
}

function grouped<T>(things: readonly T[], nameOf: (thing: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const thing of things) {
    const group = groups.get(nameOf(thing))
    if (group === undefined) groups.set(nameOf(thing), [thing])
    else group.push(thing)
  }
  return groups
}

/** What is for everybody comes last: `own` sends a reader to entries that are there. */
function choicesFor(
  service: number,
  entries: readonly RouteEntry[],
  members: ReadonlyMap<string, readonly IdentityEntry[]>,
): RouteChoice[] {
  if (entries.length === 0) return []
  const own = entries.flatMap(({ clients, set }) =>
    (clients === null ? [] : (members.get(clients) ?? [])).map(
      ({ number }): RouteChoice => ({ service, identity: number, set, own: false }),
    ),
  )
  const set = entries.find(({ clients }) => clients === null)?.set ?? null
  return [...own, { service, identity: 0, set, own: own.length > 0 }]
}
