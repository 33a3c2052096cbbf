/** From services and known workloads to what a node serves: every service port with its endpoints in order. */
import { Failure } from '../contract/failures.ts'
import type { Workload } from '../policy/model.ts'
import { selectorMatches } from '../policy/selector.ts'
import {
  type Endpoint,
  type ListedEndpoint,
  selectorOf,
  type Service,
  type Spread,
  serviceKey,
} from './model.ts'
import { addressKey, type Here, nearestFirst, type Ordered } from './nearest.ts'

/** Who there is: what the workloads port tells, and what other nodes announce of theirs. */
export type KnownWorkloads = { own: readonly Workload[]; announced: readonly PlacedWorkload[] }
export type PlacedWorkload = Workload & { node: string }

/** One port of one service. */
export type ServiceTable = Ordered & {
  /** serviceKey() of it. */
  service: string
  addresses: { address: string; port: number }[]
  /** None = two choices, and nobody is ejected. */
  spread?: Spread
}

/**
 * Places in services that the workloads of one announcing node may take together. Without a bound, a
 * node that lies about its labels would be in every service, and leave the kernel's tables no room
 * for the others: sixteen of them would have to lie.
 */
export const MAX_PLACES_A_NODE = 1024

export type Resolved = {
  tables: ServiceTable[]
  /** Announcing nodes of which a part is left out, with how many places. */
  leftOut: Map<string, number>
}

/**
 * Tables in the order of `services` and their ports. An address that a workload of the workloads port
 * has is never another node's: what this node knows itself wins over what it is told.
 * Throws Failure('schema-violation') when an address and port belong to two services.
 */
export function resolveServices(services: readonly Service[], known: KnownWorkloads, here: Here): Resolved {
  const candidates = candidatesOf(known, here)
  const shares = new Map<string, number>()
  const leftOut = new Map<string, number>()
  const admit = (endpoint: Endpoint): boolean => {
    if (endpoint.origin.kind !== 'announced' || endpoint.node === null) return true
    const places = (shares.get(endpoint.node) ?? 0) + 1
    if (places > MAX_PLACES_A_NODE) leftOut.set(endpoint.node, (leftOut.get(endpoint.node) ?? 0) + 1)
    else shares.set(endpoint.node, places)
    return places <= MAX_PLACES_A_NODE
  }
  const owners = new Map<string, string>()
  const tables = services.flatMap((service) =>
    service.ports.map((exposed) => {
      const key = serviceKey({ ...service, port: exposed.port })
      const target = exposed.targetPort ?? exposed.port
      const endpoints = distinct(endpointsOf(service, target, candidates)).filter(admit)
      const addresses = service.addresses.map((address) => ({ address, port: exposed.port }))
      for (const { address, port } of addresses) own(owners, `${addressKey(address)}:${port}`, key)
      return { service: key, addresses, spread: spreadOf(service), ...nearestFirst(endpoints, here) }
    }),
  )
  return { tables, leftOut }
}

function spreadOf({ balance, ejection, slowStartMs }: Service): Spread {
  return {
    ...(balance && { balance }),
    ...(ejection && { ejection }),
    ...(slowStartMs !== undefined && { slowStartMs }),
  }
}

/** A workload as services see it. */
type Candidate = { workload: Workload; origin: Endpoint['origin']; node: string; zone: string | null }
type Candidates = { workloads: Candidate[]; byAddress: Map<string, Candidate> }

function candidatesOf({ own, announced }: KnownWorkloads, here: Here): Candidates {
  const workloads: Candidate[] = []
  const byAddress = new Map<string, Candidate>()
  const add = (kind: 'workload' | 'announced', workload: Workload, node: string) => {
    const addresses = workload.addresses.map(addressKey)
    if (addresses.some((address) => byAddress.has(address))) return
    const zone = node === here.node ? here.zone : (workload.zone ?? null)
    const origin = { kind, workload: `${workload.namespace}/${workload.name}` }
    const candidate = { workload, origin, node, zone }
    workloads.push(candidate)
    for (const address of addresses) byAddress.set(address, candidate)
  }
  for (const workload of own) add('workload', workload, workload.node ?? here.node)
  for (const workload of announced) add('announced', workload, workload.node)
  return { workloads, byAddress }
}

function endpointsOf(service: Service, target: number, { workloads, byAddress }: Candidates): Endpoint[] {
  const { namespace, selector: labels, endpoints = [] } = service
  if (labels === undefined) return endpoints.map((listed) => listedEndpoint(listed, target, byAddress))
  const selector = selectorOf(namespace, labels)
  return workloads
    .filter(({ workload }) => selectorMatches(selector, workload))
    .map(({ workload, origin, node, zone }) => ({
      // The first one: others are further names of the same server, which would take its share twice.
      address: workload.addresses[0] as string,
      port: target,
      labels: workload.labels,
      zone,
      node,
      weight: 1,
      origin,
    }))
}

/** Who lists an address doesn't say where it is; if it is a known workload's, that is known. */
function listedEndpoint(
  { address, port, labels, zone, weight }: ListedEndpoint,
  target: number,
  byAddress: Candidates['byAddress'],
): Endpoint {
  const workload = byAddress.get(addressKey(address))
  return {
    address,
    port: port ?? target,
    labels,
    zone: workload?.zone ?? zone ?? null,
    node: workload?.node ?? null,
    weight,
    origin: { kind: 'listed' },
  }
}

/** An endpoint stands once in a service. */
function distinct(endpoints: readonly Endpoint[]): Endpoint[] {
  const seen = new Map(endpoints.map((each) => [`${addressKey(each.address)}:${each.port}`, each]))
  return [...seen.values()]
}

function own(owners: Map<string, string>, name: string, service: string): void {
  const owner = owners.get(name)
  if (owner !== undefined) {
    throw new Failure('schema-violation', `${service} and ${owner} have the same address and port`)
  }
  owners.set(name, service)
}
