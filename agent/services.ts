/** Services: what this node knows of services, workloads and their nodes -> the maps that readers choose by. */
import { Failure } from '../pipelines/contract/failures.ts'
import { serviceKey } from '../pipelines/services/model.ts'
import { resolveServices, type ServiceTable } from '../pipelines/services/resolve.ts'
import { readManifest } from './cache.ts'
import { announcedOf, knownWorkloads } from './known-workloads.ts'
import type { Node } from './node.ts'
import type { EndpointEntry, OutboundContent, ServiceWish } from './ports.ts'
import { publishRoutes } from './routes.ts'
import { assignServices, numbersInUse, recognisedServices } from './service-numbers.ts'
import { type Resting, rested, restFrom } from './service-runs.ts'
import { forgettable, leftEndpoints, storesFor, storesToForget } from './service-stores.ts'
import type { ServiceEntry } from './state.ts'

/**
 * Needs no release and no network. A node whose dispatcher is older than services goes on without
 * them: Failure('services-unsupported').
 */
export async function publishServices(node: Node): Promise<void> {
  const tables = await serviceTables(node)
  if (tables.length === 0 && node.state.current.services.length === 0) return
  const content = await node.kernel.outbound.read()
  if (content !== null) await publish(node, tables, content)
  if (content?.served === true || tables.length === 0) return reportStale(node)
  const message = `the dispatcher that new connections meet knows no services; there are ${tables.length}`
  throw new Failure('services-unsupported', message)
}

/** Nothing is wrong with what is published, but that it may have changed. */
function reportStale({ registry }: Node): void {
  const stale = registry.stale()
  if (stale === 0) return
  throw new Failure(
    'bus-unavailable',
    `what ${stale} other nodes have is as it was when they were heard last`,
  )
}

/** Also for connections of a dispatcher that was replaced by one that knows no services. */
async function publish(node: Node, tables: readonly ServiceTable[], content: OutboundContent): Promise<void> {
  const wishes = wishesOf(node, tables, await numbered(node, tables, content))
  await publishRoutes(node)
  for (const store of storesFor(content, wishes, node.resting, node.clock.elapsed()))
    await node.kernel.outbound.write(store)
  await forget(node, content, wishes)
}

/** Every service port that this node knows, with its endpoints in order. */
async function serviceTables(node: Node): Promise<ServiceTable[]> {
  const services = await node.services.list()
  const known = knownWorkloads(await node.workloads.list(), await node.registry.list())
  node.registry.announce(announcedOf(known.own, node.name))
  return resolveServices(services, known, { node: node.name, zone: node.zone }).tables
}

/**
 * The numbers of service ports by name (serviceKey() of each), made where there are none: a generation may name
 * one that is no service yet. They are remembered before anybody learns them, and stay while a generation in
 * `slots` or a connection names them.
 */
export async function serviceNumbers(node: Node, names: readonly string[]): Promise<Map<string, number>> {
  await remember(node, await assigned(node, node.state.current.services, names))
  return new Map(node.state.current.services.map(({ service, number }) => [service, number]))
}

/** A new number is none that the kernel still gives a meaning, also one that this node has no memory of. */
async function assigned(node: Node, known: readonly ServiceEntry[], names: readonly string[]) {
  const numbered = new Set(known.map(({ service }) => service))
  if (names.every((name) => numbered.has(name))) return [...known]
  const { outbound } = node.kernel
  const content = await outbound.read()
  const named = (await outbound.references()).services
  return assignServices(known, names, new Set([...named, ...(content === null ? [] : numbersInUse(content))]))
}

async function numbered(node: Node, tables: readonly ServiceTable[], content: OutboundContent) {
  const names = tables.map(({ service }) => service)
  const known = recognisedServices(node.state.current.services, tables, content)
  const entries = await assigned(node, known, names)
  // Before the kernel hears of it: after a crash every number that it may name keeps its meaning.
  await remember(node, entries)
  return entries
}

function wishesOf(node: Node, tables: readonly ServiceTable[], entries: readonly ServiceEntry[]) {
  const numbers = new Map(entries.map(({ service, number }) => [service, number]))
  return tables.map(
    ({ service, addresses, endpoints, local, zone, spread }): ServiceWish => ({
      number: numbers.get(service) as number,
      addresses,
      endpoints: endpoints.map(
        (endpoint): EndpointEntry => ({
          address: endpoint.address,
          port: endpoint.port,
          local: endpoint.node === node.name,
          weight: endpoint.weight,
        }),
      ),
      local,
      zone,
      ...(spread && { spread }),
    }),
  )
}

/** Names that a generation of this kernel may still ask for: what it numbers, and what it has routes for. */
async function namedByGenerations(node: Node): Promise<(name: string) => boolean> {
  const { slots } = node.state.current
  const numbered = new Set<string>()
  const routed: string[] = []
  for (const { artifact } of Object.values(slots)) {
    const { services, routes, breakers = [] } = await readManifest(node.disk, artifact)
    for (const service of services) numbered.add(serviceKey(service))
    // Also the routes, and breakers, for every port of a service.
    for (const { service } of [...routes, ...breakers]) routed.push(`${service.namespace}/${service.name}:`)
  }
  return (name) => numbered.has(name) || routed.some((begin) => name.startsWith(begin))
}

/** Delete before reuse: a number is free when nothing leads to it, it has rested, and nothing names it. */
async function forget(node: Node, content: OutboundContent, wishes: readonly ServiceWish[]): Promise<void> {
  const { resting, clock, kernel, state } = node
  const now = clock.elapsed()
  const wished = new Set(wishes.map(({ number }) => number))
  const known = [...numbersInUse(content), ...state.current.services.map(({ number }) => number)]
  restFrom(resting.services, new Set(known.filter((number) => !wished.has(number))), now)
  restFrom(resting.endpoints, leftEndpoints(content, wishes), now)
  if (!somethingRested(resting, now)) return
  const references = await kernel.outbound.references()
  const named = await namedByGenerations(node)
  for (const { number, service } of state.current.services)
    if (named(service)) references.services.add(number)
  const forgotten = forgettable(resting, references, now)
  for (const store of storesToForget(content, forgotten)) await kernel.outbound.write(store)
  await remember(
    node,
    state.current.services.filter(({ number }) => !forgotten.services.has(number)),
  )
}

function somethingRested({ services, endpoints }: Resting, now: number): boolean {
  return rested(services, now).length > 0 || rested(endpoints, now).length > 0
}

async function remember(node: Node, services: ServiceEntry[]): Promise<void> {
  if (JSON.stringify(services) !== JSON.stringify(node.state.current.services))
    await node.state.update({ services })
}
