/**
 * The routes of the suite `datapath`: the matches of rules.ts as routes, one a
 * route object. The first ten are the same in every set, and requests ask for these.
 */
import type { PathMatch, Route, ServicePort } from '../../pipelines/policy/route.ts'
import { HEADER, pathOf } from './rules.ts'

/** Routes are one policy file, a line each. */
const FILE = 'routes.yaml'

function pathMatchOf(index: number): PathMatch {
  const { kind, pattern } = pathOf(index)
  if (kind === 'exact') return { kind: 'exact', value: pattern }
  // A prefix by segments needs no `/.*`.
  if (kind === 'prefix') return { kind: 'prefix', value: pattern.slice(0, -'/.*'.length) }
  // All that may match has to be remembered to the path's end: thousands that may begin anywhere have no automaton.
  return { kind: 'regex', value: `/any/[a-z]+${pattern.slice('.*'.length)}` }
}

/** `count` routes of the service `from`, all of which send requests to `to`. */
export function mixedRoutes(count: number, from: ServicePort, to: ServicePort): Route[] {
  return Array.from({ length: count }, (_, index) => {
    const source = { file: FILE, line: index + 1, column: 1 }
    const headers = index % 10 === 0 ? [{ ...HEADER, kind: 'exact' as const }] : []
    const match = { source, path: pathMatchOf(index), method: 'GET', headers, query: [] }
    const backends = [{ service: to, weight: 1, filters: [] }]
    const rule = { source, matches: [match], filters: [], backends, requestTimeout: 0, backendTimeout: 0 }
    const owner = { name: `route-${index}`, namespace: from.namespace, source, created: '' }
    return { ...owner, service: from, clients: null, rules: [rule] }
  })
}
