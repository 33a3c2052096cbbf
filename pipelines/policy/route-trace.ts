/**
 * Every match of the routes that a request to a service meets, in order of precedence, and what was
 * found there; and its head as the client sends it and as the backend gets it. Judged and changed by
 * the functions of the reference evaluator and of whoever forwards it.
 */
import { byteText } from '../protocols/http1-grammar.ts'
import { joinedValues, type Request } from '../protocols/http1-request.ts'
import { type Asked, askedOf } from './condition-trace.ts'
import type { PolicySet } from './model.ts'
import { applyEdits, requestEdits } from './route-edits.ts'
import type { RouteOutcome, RouteQuestion } from './route-evaluate.ts'
import {
  headerMatches,
  methodMatches,
  parameterMatches,
  parameterOf,
  pathMatches,
  targetOf,
} from './route-match.ts'
import { inPrecedence, routesFor } from './route-precedence.ts'
import type { RouteMatch } from './route.ts'
import type { Source } from './source.ts'

/** It holds when all its parts do; the first one that holds decides, and those behind it are not asked. */
export type RouteMatchTrace = {
  route: string
  namespace: string
  source: Source
  parts: Asked[]
  holds: boolean
  decides: boolean
}

function partsOf(match: RouteMatch, request: Request): Asked[] {
  const { path, query } = targetOf(request)
  const parts = [askedOf(`path ${match.path.kind} ${match.path.value}`, path, pathMatches(match.path, path))]
  if (match.method !== undefined)
    parts.push(
      askedOf(`method exact ${match.method}`, byteText(request.method), methodMatches(match, request)),
    )
  for (const header of match.headers) {
    const asked = `header ${header.name} ${header.kind} ${header.value}`
    parts.push(askedOf(asked, joinedValues(request, header.name), headerMatches(header, request)))
  }
  for (const parameter of match.query) {
    const asked = `query ${parameter.name} ${parameter.kind} ${parameter.value}`
    parts.push(askedOf(asked, parameterOf(query, parameter.name), parameterMatches(parameter, query)))
  }
  return parts
}

/** Throws Failure('expression-invalid') on a pattern that no front-end would have let in. */
export function traceRoutes(set: PolicySet, { service, client, request }: RouteQuestion): RouteMatchTrace[] {
  const traces = inPrecedence(routesFor(set, service, client)).map(({ route, match }) => {
    const parts = partsOf(match, request)
    const holds = parts.every((part) => part.holds)
    return { route: route.name, namespace: route.namespace, source: match.source, parts, holds }
  })
  const first = traces.findIndex(({ holds }) => holds)
  return traces.map((trace, place) => ({ ...trace, decides: place === first }))
}

/** The head as the backend gets it; undefined where no backend does. */
export function forwardedHead(head: Uint8Array, outcome: RouteOutcome): Uint8Array | undefined {
  return outcome.kind === 'forward' ? applyEdits(head, requestEdits(head, outcome.request)) : undefined
}
