/** Routes and breakers: every loaded generation's choices follow identities and the numbers of services. Needs no release. */
import { readManifest } from './cache.ts'
import type { Node } from './node.ts'
import type { RouteContent } from './ports.ts'
import { type ManifestRoutes, routeContentFor } from './route-choices.ts'

export function hasRoutes({ services, routes, breakers = [] }: ManifestRoutes): boolean {
  return services.length > 0 || routes.length > 0 || breakers.length > 0
}

/** For these routes, with what is remembered now. Throws Failure('limit-exceeded'). */
export function routeContent(node: Node, manifest: ManifestRoutes): RouteContent {
  const { services, identities } = node.state.current
  const numbers = new Map(services.map(({ service, number }) => [service, number]))
  return routeContentFor(manifest, { numbers, identities })
}

/**
 * Before anything leads to a new number, be it an address of a service or a cgroup of a workload. A number that
 * a choice names keeps its meaning as long as the generation is loaded (services.ts: forget).
 */
export async function publishRoutes(node: Node): Promise<void> {
  const contents: [slot: number, content: RouteContent][] = []
  const { slots, shadow } = node.state.current
  for (const [slot, { artifact }] of Object.entries(slots)) {
    if (Number(slot) === shadow?.slot) continue // routes nothing
    const manifest = await readManifest(node.disk, artifact)
    if (hasRoutes(manifest)) contents.push([Number(slot), routeContent(node, manifest)])
  }
  const wish = JSON.stringify(contents)
  if (wish === node.routed) return
  for (const [slot, content] of contents) await node.kernel.setRoutes(slot, content)
  node.routed = wish
}
