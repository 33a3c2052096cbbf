/** The demo's fleet as data: rings, nodes, and who lives where. */
import type { Workload } from '../../pipelines/policy/model.ts'
import type { Ring } from '../../pipelines/rollout.ts'
import type { Host } from './network.ts'

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

/** One `app=api` on every node, and the clients' `app=web`. */
export function workloads(nodes: readonly Host[], client: Host): Workload[] {
  const api = nodes.map((host, index) => ({
    name: `api-${index + 1}`,
    namespace: NAMESPACE,
    labels: { app: 'api' },
    addresses: [host.address4, host.address6],
    mode: 'auto' as const,
  }))
  const addresses = [client.address4, client.address6]
  const web = {
    name: 'web-1',
    namespace: NAMESPACE,
    labels: { app: 'web' },
    addresses,
    mode: 'auto' as const,
  }
  return [...api, web]
}
