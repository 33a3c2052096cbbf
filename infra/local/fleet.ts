/** The demo's fleet as data: rings, nodes, and who lives where. */
import type { Workload } from '../../pipelines/policy/model.ts'
import type { Ring } from '../../pipelines/rollout/plan.ts'
import type { Service } from '../../pipelines/services/model.ts'
import type { StackHost } from './network.ts'

export const RINGS: readonly Ring[] = [
  { name: 'ring-0', nodes: ['n1'] },
  { name: 'ring-1', nodes: ['n2', 'n3'] },
  { name: 'ring-2', nodes: ['n4', 'n5'] },
]

export const NODE_NAMES: readonly string[] = RINGS.flatMap((ring) => ring.nodes)
export const NAMESPACE = 'shop'

/** The ring of a node, and the ring that must have succeeded before it. */
export function ringOf(node: string): { ring: string; previousRing: string | null } {
  const index = RINGS.findIndex(({ nodes }) => nodes.includes(node))
  const ring = RINGS[index]
  if (ring === undefined) throw new Error(`no ring has a node ${node}`)
  return { ring: ring.name, previousRing: RINGS[index - 1]?.name ?? null }
}

/** What callers connect to, and where routes may send the requests instead. */
export const FRONT = { name: 'front', address: '10.96.0.1', port: 80 }
export const FRONT_V2 = { name: 'front-v2', address: '10.96.0.2', port: 80 }
/** Cgroup, below the managed one, of processes that call services. */
export const CALLER_CGROUP = 'web'

const labelled = (name: string, labels: Record<string, string>, node: string, addresses: string[]) => ({
  name,
  namespace: NAMESPACE,
  labels,
  addresses,
  mode: 'auto' as const,
  node,
})

/** On every node two versions of `app=api` and an `app=web` that calls them; the load client's `app=web`. */
export function workloads(nodes: readonly StackHost[], client: StackHost): Workload[] {
  const each = nodes.flatMap((host, index) => {
    const [node = '', number] = [NODE_NAMES[index], index + 1]
    return [
      labelled(`api-${number}`, { app: 'api', version: 'v1' }, node, [host.address4, host.address6]),
      labelled(`api-v2-${number}`, { app: 'api', version: 'v2' }, node, [host.second4]),
      { ...labelled(`web-${number}`, { app: 'web' }, node, [host.third4]), cgroup: CALLER_CGROUP },
    ]
  })
  return [...each, labelled('web-load', { app: 'web' }, 'load', [client.address4, client.address6])]
}

/** Both versions listen on `port` of their own addresses. */
export function services(port: number): Service[] {
  return [
    { ...FRONT, version: 'v1' },
    { ...FRONT_V2, version: 'v2' },
  ].map(({ name, address, port: called, version }) => ({
    namespace: NAMESPACE,
    name,
    addresses: [address],
    ports: [{ port: called, targetPort: port }],
    selector: { app: 'api', version },
  }))
}
