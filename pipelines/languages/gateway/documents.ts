/**
 * Documents of the Gateway API, and the Services that they refer to. Routes are read behind the
 * rest: what their references lead to is told by other documents.
 */
import type { Source } from '../../policy/source.ts'
import { type Finding, problem, warning } from '../finding.ts'
import { schemaFindings } from '../schema-findings.ts'
import { nodeAt, placeOf, plainValue, type SourceNode } from '../source-node.ts'
import { UNSUPPORTED_KINDS } from './features.ts'
import type { Grant, KnownService, References, RouteKind } from '../routes/references.ts'
import { DEFAULT_NAMESPACE, VOCABULARY } from './route.ts'
import { ReferenceGrant, Service } from './schema.ts'

const GROUP = 'gateway.networking.k8s.io'
/** Whose routes a grant may speak of, and the group of each. */
const ROUTE_KINDS: Record<RouteKind, string> = { HTTPRoute: GROUP, MeshPolicy: 'heddle.dev' }

/** Kind and name of an object that other objects may refer to, where it speaks, and what it says. */
export type Named = { kind: string; namespace: string; name: string; source: Source }
type ReadService = { kind: 'Service'; named: Named; service: KnownService }
type ReadGrant = { kind: 'ReferenceGrant'; named: Named; grants: Grant[] }
/** What is no route: read at once. */
export type ReadReference = { read?: ReadService | ReadGrant; findings: Finding[] }

function text(root: SourceNode, field: string): string {
  const node = root.kind === 'map' ? nodeAt(root, [field]) : root
  return node.kind === 'scalar' ? String(node.value) : ''
}

/** Which reader a document is for; undefined = another language's. */
export function gatewayKind(
  root: SourceNode,
): 'HTTPRoute' | 'ReferenceGrant' | 'Service' | 'other' | undefined {
  const [version, kind] = [text(root, 'apiVersion'), text(root, 'kind')]
  if (version === 'v1' && kind === 'Service') return kind
  if (version.split('/')[0] !== GROUP) return undefined
  return kind === 'HTTPRoute' || kind === 'ReferenceGrant' ? kind : 'other'
}

/** A document of the group that is no policy here. */
export function otherKind(root: SourceNode): Finding {
  const kind = text(root, 'kind')
  const hint = Object.hasOwn(UNSUPPORTED_KINDS, kind)
    ? (UNSUPPORTED_KINDS[kind] as string)
    : 'of the Gateway API, HTTPRoute and ReferenceGrant are read'
  const message = `${text(root, 'apiVersion')} ${kind} is not supported`
  return problem(placeOf(root, ['kind']), 'unsupported-kind', message, hint)
}

function readService(root: SourceNode): ReadReference {
  const parsed = Service.safeParse(plainValue(root))
  if (!parsed.success) return { findings: schemaFindings(root, parsed.error, VOCABULARY) }
  const { metadata, spec } = parsed.data
  const { name, namespace = DEFAULT_NAMESPACE } = metadata
  const service: KnownService = {
    headless: spec.clusterIP === 'None',
    external: spec.type === 'ExternalName',
    ports: spec.ports.map((port) => ({
      name: port.name,
      port: port.port,
      protocol: port.protocol,
      appProtocol: port.appProtocol,
    })),
  }
  const named = { kind: 'Service', namespace, name, source: root.at }
  return { read: { kind: 'Service', named, service }, findings: [] }
}

function readGrant(root: SourceNode): ReadReference {
  const parsed = ReferenceGrant.safeParse(plainValue(root))
  if (!parsed.success) return { findings: schemaFindings(root, parsed.error, VOCABULARY) }
  const { metadata, spec } = parsed.data
  const { name, namespace = DEFAULT_NAMESPACE } = metadata
  const from = spec.from.filter(({ group, kind }) => ROUTE_KINDS[kind as RouteKind] === group)
  const to = spec.to.filter(({ group, kind }) => group === '' && kind === 'Service')
  const grants = from.flatMap((source) =>
    to.map(
      (target): Grant => ({
        kind: source.kind as RouteKind,
        from: source.namespace,
        namespace,
        name: target.name,
      }),
    ),
  )
  const findings =
    grants.length > 0
      ? []
      : [
          warning(
            placeOf(root, ['spec']),
            'this grant changes nothing: it is not from HTTPRoute or MeshPolicy to Service',
            'remove it, or add them',
          ),
        ]
  const named = { kind: 'ReferenceGrant', namespace, name, source: root.at }
  return { read: { kind: 'ReferenceGrant', named, grants }, findings }
}

/** Read a Service or ReferenceGrant. */
export function readReference(root: SourceNode, kind: 'Service' | 'ReferenceGrant'): ReadReference {
  return kind === 'Service' ? readService(root) : readGrant(root)
}

/** What all of them tell, for routes to be read against. */
export function referencesOf(read: readonly ReadReference[], complete: boolean): References {
  const services = new Map<string, KnownService>()
  const grants: Grant[] = []
  for (const item of read.map((reference) => reference.read)) {
    if (item?.kind === 'Service') services.set(`${item.named.namespace}/${item.named.name}`, item.service)
    if (item?.kind === 'ReferenceGrant') grants.push(...item.grants)
  }
  return { services, grants, complete }
}
