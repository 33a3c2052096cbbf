/**
 * What a route's references lead to: the Services that it attaches to and sends to, and whether it
 * may. Words of the reasons are the specification's (apis/v1 shared_types.go, RouteConditionReason).
 */
import type { Route, ServicePort } from '../../policy/route.ts'

export type KnownService = {
  headless: boolean
  external: boolean
  ports: { name: string | undefined; port: number; protocol: string; appProtocol: string | undefined }[]
}

/** Kinds of objects whose routes refer to Services. */
export type RouteKind = 'HTTPRoute' | 'MeshPolicy'

/** One pair of a ReferenceGrant's `from` and `to`, for references to Services. */
export type Grant = { kind: RouteKind; from: string; namespace: string; name: string | undefined }

/** An object that a route names; without a namespace it is the route's own. */
type Reference = { group: string; kind: string; namespace?: string | undefined; name: string }
/** The Service whose requests a route speaks of; without a port of all its ports. */
export type FrontendRef = Reference & { port?: number | undefined; sectionName?: string | undefined }
export type BackendRef = Reference & { port?: number | undefined }

/**
 * `services`: by namespace/name. `complete`: there are no others, as in a view of a whole cluster. A
 * repository need not have any: what it does not tell is taken as the route says it.
 */
export type References = {
  services: ReadonlyMap<string, KnownService>
  grants: readonly Grant[]
  complete: boolean
}

export type Unattached = {
  reason: 'NoMatchingParent' | 'UnsupportedValue'
  message: string
  hint: string
}
export type Unresolved = {
  reason: 'InvalidKind' | 'RefNotPermitted' | 'BackendNotFound' | 'UnsupportedProtocol'
  message: string
  hint: string
}

type Frontend = Route['service']

/** A Service's name is a DNS label. */
const SERVICE_NAME = /^(?=.{1,63}$)[a-z]([-a-z0-9]*[a-z0-9])?$/
const isService = ({ group, kind }: { group: string; kind: string }) => group === '' && kind === 'Service'
const portsOf = ({ ports }: KnownService) =>
  ports.map(({ name, port }) => (name === undefined ? String(port) : `${port} (${name})`)).join(', ')

/** The port that parentRef names by number, by name or by both; null = every port. */
function portOf(
  ref: FrontendRef,
  known: KnownService | undefined,
  shown: string,
): number | null | Unattached {
  const { port, sectionName } = ref
  if (port === undefined && sectionName === undefined) return null
  if (known === undefined) {
    if (port !== undefined && sectionName === undefined) return port
    const message = `the port name \`${sectionName}\` of Service ${shown} is not known here`
    return { reason: 'NoMatchingParent', message, hint: 'write port: with its number' }
  }
  const found = known.ports.find(
    (candidate) =>
      (port ?? candidate.port) === candidate.port && (sectionName ?? candidate.name) === candidate.name,
  )
  if (found !== undefined) return found.port
  const wanted = [port, sectionName].filter((part) => part !== undefined).join(' ')
  const message = `Service ${shown} has no port ${wanted}`
  return { reason: 'NoMatchingParent', message, hint: `its ports are ${portsOf(known)}` }
}

/** The Service that a route attaches to, its frontend (GEP-1294, Allowed service types). */
export function frontendOf(
  ref: FrontendRef,
  namespace: string,
  references: References,
): Frontend | Unattached {
  if (!isService(ref)) {
    const message = `a route cannot attach to ${ref.group === '' ? '' : `${ref.group} `}${ref.kind}`
    const hint = 'write group: "", kind: Service and the name of the service whose clients it is for'
    return { reason: 'UnsupportedValue', message, hint }
  }
  const service = { namespace: ref.namespace ?? namespace, name: ref.name }
  const shown = `${service.namespace}/${service.name}`
  const known = references.services.get(shown)
  if (!SERVICE_NAME.test(ref.name) || (known === undefined && references.complete)) {
    const message = `there is no Service ${shown}`
    return { reason: 'NoMatchingParent', message, hint: 'name a Service that there is' }
  }
  if (known?.headless === true || known?.external === true) {
    const what = known.headless ? 'headless: it has no address' : 'of type ExternalName'
    const message = `Service ${shown} is ${what}`
    return { reason: 'UnsupportedValue', message, hint: 'attach to a Service of type ClusterIP' }
  }
  const port = portOf(ref, known, shown)
  return typeof port === 'object' && port !== null ? port : { ...service, port }
}

/** KEP-3726's names of what is HTTP/1.1 without TLS, and IANA's. */
const HTTP1 = ['http', 'kubernetes.io/ws']

function unspoken(known: KnownService, port: number, shown: string): Unresolved | undefined {
  const found = known.ports.find((candidate) => candidate.port === port && candidate.protocol === 'TCP')
  if (found === undefined) {
    const message = `Service ${shown} has no TCP port ${port}`
    return { reason: 'BackendNotFound', message, hint: `its ports are ${portsOf(known)}` }
  }
  const { appProtocol } = found
  if (appProtocol === undefined || HTTP1.includes(appProtocol.toLowerCase())) return undefined
  const message = `port ${port} of Service ${shown} speaks ${appProtocol}`
  return {
    reason: 'UnsupportedProtocol',
    message,
    hint: `requests are sent as HTTP/1.1: name a port of appProtocol ${HTTP1.join(' or ')}, or of none`,
  }
}

/** Where a route's references start: its kind and namespace, and those of the Services that it is for. */
export type Asking = { kind: RouteKind; namespace: string; frontends: readonly string[] }

/**
 * A route may send to its own namespace, and back to that of a Service that it is for (a consumer
 * route could do nothing otherwise). GEP-1294 asks for a ReferenceGrant where a route reaches
 * further than clients could without it; whoever writes routes for a service redirects other
 * people's requests, so elsewhere one is needed.
 */
function permitted(asking: Asking, to: ServicePort, grants: readonly Grant[]): boolean {
  if (to.namespace === asking.namespace || asking.frontends.includes(to.namespace)) return true
  return grants.some(
    ({ kind, from, namespace, name }) =>
      kind === asking.kind &&
      from === asking.namespace &&
      namespace === to.namespace &&
      (name ?? to.name) === to.name,
  )
}

/** The service that a backendRef means. `port` was checked to be there for a Service. */
export function backendServiceOf(
  ref: BackendRef,
  asking: Asking,
  references: References,
): ServicePort | Unresolved {
  if (!isService(ref)) {
    const message = `requests cannot be sent to ${ref.group === '' ? '' : `${ref.group} `}${ref.kind}`
    return { reason: 'InvalidKind', message, hint: 'name a Service' }
  }
  const service = { namespace: ref.namespace ?? asking.namespace, name: ref.name, port: ref.port ?? 0 }
  const shown = `${service.namespace}/${service.name}`
  if (!permitted(asking, service, references.grants)) {
    const plural = asking.kind === 'HTTPRoute' ? 'HTTPRoutes' : 'MeshPolicies'
    const message = `namespace \`${service.namespace}\` does not let ${plural} of \`${asking.namespace}\` refer to Service ${shown}`
    const hint = `a ReferenceGrant in ${service.namespace} would: from ${asking.kind} of ${asking.namespace}, to Service`
    return { reason: 'RefNotPermitted', message, hint }
  }
  const known = references.services.get(shown)
  if (known === undefined) {
    const message = `there is no Service ${shown}`
    const missing: Unresolved = { reason: 'BackendNotFound', message, hint: 'name a Service that there is' }
    return references.complete || !SERVICE_NAME.test(ref.name) ? missing : service
  }
  if (known.external) {
    const message = `Service ${shown} is of type ExternalName`
    return { reason: 'InvalidKind', message, hint: 'name a Service with endpoints of its own' }
  }
  return unspoken(known, service.port, shown) ?? service
}
