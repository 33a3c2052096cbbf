/**
 * Ordinary tests attach their routes to a Gateway; a mesh has none. The translation, all of it:
 *
 * 1. Each Gateway becomes a Service of the same name in the route's namespace, with the ports of
 *    its HTTP listeners, of their names; a parentRef to the Gateway becomes one to that Service.
 *    Clients are workloads of that namespace.
 * 2. `hostnames` become a match of the Host header, as GEP-1294 advises: one expression for all
 *    names of the route. That keeps precedence only where every route has hostnames and none a
 *    wildcard; else the test is refused.
 * 3. What only a Gateway does is refused by name: TLS listeners, listeners with hostnames,
 *    namespaces that share a Gateway. Where a test has several, only the rows of such a one are.
 */
import type { ServicePort } from '../../pipelines/policy/route.ts'
import type { Manifest } from './gateway-corpus.ts'

const HTTP_PORT = 80

type Listener = { name: string; port: number; protocol: string; hostname?: string }
type Parent = {
  group?: string
  kind?: string
  name: string
  namespace?: string
  sectionName?: string
  port?: number
}
type Match = { headers?: unknown[] }
type RouteSpec = { parentRefs?: Parent[]; hostnames?: string[]; rules?: { matches?: Match[] }[] }

/** Why a test can't be said for a mesh. */
export class Untranslatable extends Error {}

const isRoute = ({ kind }: Manifest) => kind === 'HTTPRoute'
const specOf = (route: Manifest) => (route.spec ?? {}) as RouteSpec

/** The listeners that clients could connect to; throws where one needs more than a port. */
function listenersOf(gateways: readonly Manifest[], name: string): Listener[] {
  const gateway = gateways.find(({ metadata }) => metadata.name === name)
  if (gateway === undefined) throw new Untranslatable(`Gateway ${name} is not among the manifests`)
  const listeners = (gateway.spec?.['listeners'] ?? []) as Listener[]
  if (listeners.some(({ protocol }) => protocol !== 'HTTP')) {
    throw new Untranslatable('TLS is not terminated: the Gateway has an HTTPS listener')
  }
  if (listeners.some(({ hostname }) => hostname !== undefined)) {
    throw new Untranslatable('only a Gateway has listeners with hostnames')
  }
  return listeners
}

const parentOf = ({ namespace: _, ...parent }: Parent): Parent => ({ ...parent, group: '', kind: 'Service' })

const escaped = (name: string) => name.replaceAll('.', '\\.')

function hostMatch(hostnames: readonly string[]): object {
  const value = `(?i)(${hostnames.map(escaped).join('|')})(:[0-9]+)?`
  return { type: 'RegularExpression', name: 'Host', value }
}

function withHosts({ hostnames, ...spec }: RouteSpec): RouteSpec {
  if (hostnames === undefined) return spec
  const rules = (spec.rules ?? [{}]).map((rule) => ({
    ...rule,
    matches: (rule.matches ?? [{}]).map((match) => ({
      ...match,
      headers: [...(match.headers ?? []), hostMatch(hostnames)],
    })),
  }))
  return { ...spec, rules }
}

function checkHosts(routes: readonly Manifest[]): void {
  const lists = routes.map((route) => specOf(route).hostnames)
  if (lists.every((list) => list === undefined)) return
  if (lists.some((list) => list === undefined || list.some((name) => name.startsWith('*')))) {
    throw new Untranslatable('precedence by hostname: routes of a Service are not told by name')
  }
}

/** What became of a Gateway: a Service, or the reason why not. */
type Translated = { service: Manifest; listeners: Listener[] } | { reason: string }

function translate(gateways: readonly Manifest[], name: string, namespace: string): Translated {
  try {
    const listeners = listenersOf(gateways, name)
    // Its own endpoints are never asked for: every Gateway here has a route.
    const ports = listeners.map(({ name: portName, port }) => ({ name: portName, port }))
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { ports } }
    return { service, listeners }
  } catch (error) {
    if (error instanceof Untranslatable) return { reason: error.message }
    throw error
  }
}

/** `parents`: Services that routes attach to, or reasons, in the order in which routes name them. */
export type ForMesh = { manifests: Manifest[]; parents: (ServicePort | { reason: string })[] }

/** Manifests of a test with its Gateways turned into Services. Throws Untranslatable where none of it can be. */
export function forMesh(manifests: readonly Manifest[], base: readonly Manifest[]): ForMesh {
  const gateways = [...manifests, ...base].filter(({ kind }) => kind === 'Gateway')
  const routes = manifests.filter(isRoute)
  const parents = routes.flatMap((route) => specOf(route).parentRefs ?? [])
  if (parents.some(({ kind = 'Gateway' }) => kind !== 'Gateway')) {
    throw new Untranslatable('routes of Gateways only are translated')
  }
  if (new Set(routes.map(({ metadata }) => metadata.namespace)).size > 1) {
    throw new Untranslatable('routes of several namespaces share a Gateway')
  }
  checkHosts(routes)
  const namespace = routes[0]?.metadata.namespace ?? 'default'
  const found = new Map(parents.map(({ name }) => [name, translate(gateways, name, namespace)]))
  const translated = manifests.map((manifest) => {
    if (!isRoute(manifest)) return manifest
    const spec = withHosts(specOf(manifest))
    const parentRefs = (spec.parentRefs ?? []).flatMap((parent) => {
      const gateway = found.get(parent.name)
      return gateway !== undefined && 'service' in gateway ? [parentOf(parent)] : []
    })
    return { ...manifest, spec: { ...spec, parentRefs } }
  })
  const services = [...found.values()].flatMap((gateway) => ('service' in gateway ? [gateway.service] : []))
  return {
    manifests: [...translated, ...services],
    parents: [...found].map(([name, gateway]) => {
      if ('reason' in gateway) return gateway
      const asked = parents.find((parent) => parent.name === name && parent.port !== undefined)
      return { namespace, name, port: asked?.port ?? gateway.listeners[0]?.port ?? HTTP_PORT }
    }),
  }
}
