/** Services as this node knows them, and as its kernel has them: looks, never writes. */
import { fileMembers } from '../../agent/adapters/file-members.ts'
import { fileServices } from '../../agent/adapters/file-services.ts'
import { fileWorkloads } from '../../agent/adapters/file-workloads.ts'
import { KnownNodes } from '../../agent/known-nodes.ts'
import { knownWorkloads } from '../../agent/known-workloads.ts'
import type { Kernel, OutboundContent } from '../../agent/ports.ts'
import type { Refusal } from '../../pipelines/services/announcement.ts'
import type { Endpoint } from '../../pipelines/services/model.ts'
import { addressKey } from '../../pipelines/services/nearest.ts'
import { resolveServices, type ServiceTable } from '../../pipelines/services/resolve.ts'
import type { Subject } from './subject.ts'

/** `served`: new connections find their services. `draining`: older ones do. `none`: no dispatcher knows any. */
export type Support = 'served' | 'draining' | 'none'

export type EndpointView = Endpoint & { number: number | null }
export type ServiceView = Omit<ServiceTable, 'endpoints'> & {
  number: number | null
  /** The nearest first: `local` of them on this node, `zone` on it or in its zone. */
  endpoints: EndpointView[]
  /** The kernel has the same. */
  written: boolean
}
export type NodeView = { node: string; workloads: number; refused: Refusal[]; leftOut: number }
export type ServicesView = { support: Support; services: ServiceView[]; nodes: NodeView[] }

export async function supportOf(kernel: Kernel): Promise<Support> {
  const content = await kernel.outbound.read()
  if (content === null) return 'none'
  return content.served ? 'served' : 'draining'
}

/** Other nodes are as the agent kept them when they said something new last. */
export async function viewServices({ config, disk, kernel, state }: Subject): Promise<ServicesView> {
  const nodes = await KnownNodes.open(disk, 0)
  const judged = nodes.judged(await fileMembers(config.members).read())
  const accepted = [...judged.values()].flatMap((each) => each.accepted)
  const own = await fileWorkloads(config.workloads).list()
  const services = await fileServices(config.services).list()
  const here = { node: config.node, zone: config.zone }
  const { tables, leftOut } = resolveServices(services, knownWorkloads(own, accepted), here)
  const content = await kernel.outbound.read()
  const numbers = new Map(state.services.map(({ service, number }) => [service, number]))
  return {
    support: await supportOf(kernel),
    services: tables.map((table) => viewOf(table, numbers.get(table.service) ?? null, content)),
    nodes: [...judged].map(([node, { accepted: workloads, refused }]) => {
      return { node, workloads: workloads.length, refused, leftOut: leftOut.get(node) ?? 0 }
    }),
  }
}

function viewOf(table: ServiceTable, number: number | null, content: OutboundContent | null): ServiceView {
  const state = number === null ? undefined : content?.services.get(number)
  const run = Array.from(
    { length: state?.count ?? 0 },
    (_, place) => content?.members[(state?.first ?? 0) + place],
  )
  const held = run.map((each) => content?.endpoints.get(each ?? 0))
  const endpoints = table.endpoints.map((endpoint, place) => {
    const same = held[place] !== undefined && keyOf(held[place]) === keyOf(endpoint)
    return { ...endpoint, number: same ? (run[place] ?? null) : null }
  })
  const leads = new Map(content?.addresses.map((each) => [keyOf(each), each.service]))
  const addressed = number !== null && table.addresses.every((each) => leads.get(keyOf(each)) === number)
  const listed = held.length === endpoints.length && endpoints.every((each) => each.number !== null)
  return { ...table, number, endpoints, written: content !== null && addressed && listed }
}

function keyOf({ address, port }: { address: string; port: number }): string {
  return `${addressKey(address)}:${port}`
}

/** For people: a service a paragraph, its endpoints in order. */
export function servicesText({ support, services, nodes }: ServicesView): string {
  const notes: Record<Support, string[]> = {
    served: [],
    draining: ['new connections meet a dispatcher that knows no services'],
    none: ['the attached dispatcher knows no services: none is written'],
  }
  const lines = [...notes[support]]
  for (const service of services) {
    const addresses = service.addresses.map(nameOf).join(' ') || 'no address'
    const number = service.number === null ? 'no number yet' : `number ${service.number}`
    lines.push(
      `${service.service}  ${addresses}  ${number}${service.written ? '' : ', not as written in the kernel'}`,
    )
    for (const [place, endpoint] of service.endpoints.entries())
      lines.push(`  ${endpointText(service, place, endpoint)}`)
    if (service.endpoints.length === 0) lines.push('  no endpoint: 503')
  }
  for (const { node, workloads, refused, leftOut } of nodes) {
    const more = leftOut === 0 ? '' : `, ${leftOut} places over its share are left out`
    lines.push(`node ${node}: ${workloads} workloads${more}`)
    for (const { workload, why } of refused) lines.push(`  refused ${workload}: ${why}`)
  }
  return lines.map((line) => `${line}\n`).join('')
}

function endpointText(service: ServiceView, place: number, endpoint: EndpointView): string {
  const far = place < service.zone ? 'same zone' : 'elsewhere'
  const near = place < service.local ? 'this node' : far
  const node = endpoint.node === null || place < service.local ? '' : `, node ${endpoint.node}`
  const { origin } = endpoint
  const from = origin.kind === 'listed' ? 'listed' : `${origin.kind} ${origin.workload}`
  return `${nameOf(endpoint)}  ${near}${node}  ${from}  weight ${endpoint.weight}`
}

function nameOf({ address, port }: { address: string; port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
