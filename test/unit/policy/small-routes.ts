/** Routes in a few words. */
import type {
  Backend,
  Filter,
  Route,
  RouteMatch,
  RouteRule,
  ServicePort,
} from '../../../pipelines/policy/route.ts'

const at = (line: number) => ({ file: 'r.yaml', line, column: 1 })

export const service = (name: string, port = 80, namespace = 'default'): ServicePort => ({
  namespace,
  name,
  port,
})
/** The path in words: `=/a` is exact, `~/a.*` a regular expression, else a prefix. */
export const match = (path: string, parts: Partial<RouteMatch> = {}, line = 1): RouteMatch => ({
  source: at(line),
  path: path.startsWith('=')
    ? { kind: 'exact', value: path.slice(1) }
    : path.startsWith('~')
      ? { kind: 'regex', value: path.slice(1) }
      : { kind: 'prefix', value: path },
  headers: [],
  query: [],
  ...parts,
})
export const exact = (name: string, value: string) => ({ name, kind: 'exact' as const, value })
export const backend = (name: string, weight = 1, filters: Filter[] = []): Backend => ({
  service: service(name),
  weight,
  filters,
})
export const routeRule = (parts: Partial<RouteRule> = {}): RouteRule => ({
  source: at(1),
  matches: [match('/')],
  filters: [],
  backends: [],
  requestTimeout: 0,
  backendTimeout: 0,
  ...parts,
})
/** A rule that sends everything of a path to one service. */
export const to = (name: string, ...matches: RouteMatch[]): RouteRule =>
  routeRule({ matches, backends: [backend(name)] })
export const route = (name: string, rules: RouteRule[], parts: Partial<Route> = {}): Route => ({
  name,
  namespace: 'default',
  source: at(1),
  created: '',
  service: { namespace: 'default', name: 'echo', port: null },
  clients: null,
  rules,
  ...parts,
})
export const headers = (
  kind: 'request-headers' | 'response-headers',
  parts: { set?: [string, string][]; add?: [string, string][]; remove?: string[] },
): Filter => {
  const fields = (list: [string, string][] = []) => list.map(([name, value]) => ({ name, value }))
  return { kind, set: fields(parts.set), add: fields(parts.add), remove: parts.remove ?? [] }
}
