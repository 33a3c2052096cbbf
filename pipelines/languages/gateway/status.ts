/**
 * What a controller would report of a route: a condition of each type for each Service that it
 * names, in the specification's words (RouteStatus, RouteConditionType, RouteConditionReason).
 */
import { z } from 'zod'
import { readerOf } from '../reader.ts'
import { schemaFindings } from '../schema-findings.ts'
import { plainValue, type SourceNode } from '../source-node.ts'
import {
  type Asking,
  backendServiceOf,
  frontendOf,
  type References,
  type Unresolved,
} from '../routes/references.ts'
import { DEFAULT_NAMESPACE, VOCABULARY } from './route.ts'
import { rulesOf } from './rules.ts'
import { HTTPRoute, type ParentRef, ParentRefs } from './schema.ts'

export type Condition = {
  type: 'Accepted' | 'ResolvedRefs'
  status: 'True' | 'False'
  reason: string
  message: string
}
export type ParentStatus = { parentRef: ParentRef; conditions: Condition[] }

/** A route that its own reader refuses still names its parents. */
const Parents = z.looseObject({
  metadata: z.looseObject({ namespace: z.string().optional() }),
  spec: z.looseObject({ parentRefs: ParentRefs }),
})

const condition = (type: Condition['type'], reason: string, message: string): Condition => {
  return { type, status: reason === type ? 'True' : 'False', reason, message }
}

/** All that is known of the route whose parents are asked about. */
type Asked = Asking & { root: SourceNode; references: References }

/** The first thing in the route that can't be honoured, whatever it attaches to. */
function unsupportedIn({ root, ...asking }: Asked): string | undefined {
  const parsed = HTTPRoute.safeParse(plainValue(root))
  if (!parsed.success) return schemaFindings(root, parsed.error, VOCABULARY)[0]?.message
  const reader = readerOf(root)
  rulesOf(reader, parsed.data.spec.rules, { asking, references: asking.references })
  return reader.findings.find(({ severity }) => severity === 'error')?.message
}

function acceptedOf(ref: ParentRef, asked: Asked): Condition {
  const frontend = frontendOf(ref, asked.namespace, asked.references)
  if ('reason' in frontend) return condition('Accepted', frontend.reason, frontend.message)
  const unsupported = unsupportedIn(asked)
  if (unsupported !== undefined) return condition('Accepted', 'UnsupportedValue', unsupported)
  return condition('Accepted', 'Accepted', 'the route is accepted')
}

/** The first reference that leads nowhere gives the reason. */
function resolvedOf({ root, references, ...asking }: Asked): Condition {
  const parsed = HTTPRoute.safeParse(plainValue(root))
  const rules = parsed.success ? parsed.data.spec.rules : []
  const unresolved = rules
    .flatMap(({ backendRefs }) => backendRefs)
    .map((ref) => backendServiceOf(ref, asking, references))
    .find((found): found is Unresolved => 'reason' in found)
  if (unresolved === undefined) {
    return condition('ResolvedRefs', 'ResolvedRefs', 'all references lead to a service')
  }
  return condition('ResolvedRefs', unresolved.reason, unresolved.message)
}

/**
 * Status of one document of kind HTTPRoute. Parents of another kind than Service are another
 * controller's: they have no entry (RouteStatus.parents).
 */
export function routeStatus(root: SourceNode, references: References): ParentStatus[] {
  const parsed = Parents.safeParse(plainValue(root))
  if (!parsed.success) return []
  const namespace = parsed.data.metadata.namespace ?? DEFAULT_NAMESPACE
  const own = parsed.data.spec.parentRefs.filter(({ group, kind }) => group === '' && kind === 'Service')
  const frontends = own.map((ref) => ref.namespace ?? namespace)
  const asked: Asked = { kind: 'HTTPRoute', root, namespace, frontends, references }
  return own.map((parentRef) => ({
    parentRef,
    conditions: [acceptedOf(parentRef, asked), resolvedOf(asked)],
  }))
}
