/** `HTTPRoute`: one document → a route of the model for each Service that it attaches to, or findings. */
import type { Route } from '../../policy/route.ts'
import type { Finding } from '../finding.ts'
import { type Reader, readerOf } from '../reader.ts'
import { schemaFindings } from '../schema-findings.ts'
import { plainValue, type SourceNode } from '../source-node.ts'
import { UNSUPPORTED } from './features.ts'
import { frontendOf, type References } from '../routes/references.ts'
import { rulesOf } from './rules.ts'
import { FIELDS, HTTPRoute, type ParentRef } from './schema.ts'

export const DEFAULT_NAMESPACE = 'default'
/** What people most often forget inside a field. */
const USUAL = { parentRefs: 'a parent is told by group, kind, namespace, name, sectionName and port' }
export const VOCABULARY = {
  fields: FIELDS,
  unsupported: UNSUPPORTED,
  inside: USUAL,
  schema: 'pipelines/languages/gateway/schema.ts',
}

const OWN_ANNOTATIONS = 'heddle.dev/'

/** Nothing of our own is said of a route by annotations: such a one would be ignored. */
function checkAnnotations(reader: Reader, annotations: Record<string, string>): void {
  for (const key of Object.keys(annotations)) {
    if (!key.startsWith(OWN_ANNOTATIONS)) continue
    const message = `unknown annotation \`${key}\``
    reader.refuse(['metadata', 'annotations', key], 'unknown-field', message, 'remove it')
  }
}

/** Two references to one object must differ in what they both say of it (CommonRouteSpec.parentRefs). */
function checkDistinct(reader: Reader, refs: readonly ParentRef[], namespace: string): void {
  const object = (ref: ParentRef) => [ref.group, ref.kind, ref.namespace ?? namespace, ref.name].join('/')
  for (const [index, ref] of refs.entries()) {
    const earlier = refs.slice(0, index).filter((other) => object(other) === object(ref))
    const alike = earlier.some(
      (other) =>
        (other.port === undefined) !== (ref.port === undefined) ||
        (other.sectionName === undefined) !== (ref.sectionName === undefined) ||
        (other.port === ref.port && other.sectionName === ref.sectionName),
    )
    if (!alike) continue
    const message = `a second reference to ${ref.kind} \`${ref.name}\` that does not differ in port or sectionName`
    reader.refuse(['spec', 'parentRefs', index], 'schema-violation', message, 'give each its own port')
  }
}

function attachments(reader: Reader, refs: readonly ParentRef[], namespace: string, references: References) {
  return refs.flatMap((ref, index) => {
    const path = ['spec', 'parentRefs', index]
    const frontend = frontendOf(ref, namespace, references)
    if ('name' in frontend) return [{ service: frontend, source: reader.place(path) }]
    const code = frontend.reason === 'UnsupportedValue' ? 'unsupported-feature' : 'schema-violation'
    reader.refuse(path, code, frontend.message, frontend.hint)
    return []
  })
}

/** `routes` are there only when no finding is an error. */
export type ReadRoute = { routes: Route[]; findings: Finding[] }

/** Read one document of kind HTTPRoute. */
export function readRoute(root: SourceNode, references: References): ReadRoute {
  const parsed = HTTPRoute.safeParse(plainValue(root))
  if (!parsed.success) return { routes: [], findings: schemaFindings(root, parsed.error, VOCABULARY) }
  const { metadata, spec } = parsed.data
  const namespace = metadata.namespace ?? DEFAULT_NAMESPACE
  const reader = readerOf(root)
  checkAnnotations(reader, metadata.annotations ?? {})
  checkDistinct(reader, spec.parentRefs, namespace)
  const attached = attachments(reader, spec.parentRefs, namespace, references)
  if (spec.parentRefs.length === 0) {
    const message = 'a route without parentRefs is for no request'
    reader.warn(['spec'], message, 'name the Service whose clients it is for, or remove the route')
  }
  const frontends = attached.map(({ service }) => service.namespace)
  const rules = rulesOf(reader, spec.rules, {
    asking: { kind: 'HTTPRoute', namespace, frontends },
    references,
  })
  if (reader.findings.some(({ severity }) => severity === 'error')) {
    return { routes: [], findings: reader.findings }
  }
  const routes = attached.map(({ service, source }): Route => {
    const clients = service.namespace === namespace ? null : namespace
    const created = metadata.creationTimestamp ?? ''
    return { name: metadata.name, namespace, source, created, service, clients, rules }
  })
  return { routes, findings: reader.findings }
}
