/**
 * What the Gateway API's specification says that routes of the Service default/echo mean. Written
 * from its words alone (HTTPRoute's resource definition, GEP-1294), for the objects of
 * gateway-objects.ts; shares no code with Heddle. Services: a and b in `default` with port 80, c
 * without endpoints, a in `shop` and in `far`; no ReferenceGrant.
 */
import type { BackendRef, Filter, HTTPRoute, Match, Probe, Rule } from './gateway-objects.ts'

export type Meaning =
  | { to: string; head: string; response: string }
  | { status: number; location: string; response: string }
  | { status: number }

/** namespace/name of Services that are there, with port 80 alone, and whether anybody serves them. */
export const SERVICES: Record<string, boolean> = {
  'default/echo': true,
  'default/a': true,
  'default/b': true,
  'default/c': false,
  'shop/a': true,
  'far/a': true,
}

type Candidate = { route: HTTPRoute; rule: Rule; match: Match; order: number }
type Lines = [string, string][]

const kindOf = ({ path }: Match) => path?.type ?? 'PathPrefix'
const pathValueOf = ({ path }: Match) => path?.value ?? '/'
const pathOf = ({ target }: Probe) => target.split('?')[0] as string
const segments = (path: string) => path.split('/').filter((part) => part !== '')

function pathHolds(match: Match, path: string): boolean {
  const value = pathValueOf(match)
  if (kindOf(match) === 'Exact') return path === value
  if (kindOf(match) === 'RegularExpression') return new RegExp(`^(?:${value})$`).test(path)
  return segments(value).every((part, index) => part === segments(path)[index])
}

const holds = ({ type, value }: { type?: string; value: string }, found: string | undefined) =>
  found !== undefined &&
  (type === 'RegularExpression' ? new RegExp(`^(?:${value})$`).test(found) : found === value)

function headerOf({ headers }: Probe, name: string): string | undefined {
  const values = headers.filter(([field]) => field.toLowerCase() === name.toLowerCase())
  return values.length === 0 ? undefined : values.map(([, value]) => value).join(',')
}

function matches(match: Match, probe: Probe): boolean {
  const query = new URLSearchParams(probe.target.split('?')[1] ?? '')
  return (
    pathHolds(match, pathOf(probe)) &&
    (match.method ?? probe.method) === probe.method &&
    (match.headers ?? []).every((header) => holds(header, headerOf(probe, header.name))) &&
    (match.queryParams ?? []).every((param) => holds(param, query.get(param.name) ?? undefined))
  )
}

/** "continuing on ties": each criterion keeps only those that are best by it. */
function decide(candidates: Candidate[]): Candidate | undefined {
  const kinds = { Exact: 3, RegularExpression: 2, PathPrefix: 1 }
  const criteria: ((candidate: Candidate) => number | string)[] = [
    ({ match }) => -kinds[kindOf(match)],
    ({ match }) => -pathValueOf(match).length,
    ({ match }) => (match.method === undefined ? 1 : 0),
    ({ match }) => -(match.headers ?? []).length,
    ({ match }) => -(match.queryParams ?? []).length,
    ({ route }) => route.metadata.creationTimestamp ?? '9999',
    ({ route }) => `${route.metadata.namespace}/${route.metadata.name}`,
    ({ order }) => order,
  ]
  return criteria.reduce((left, criterion) => {
    const best = left.map(criterion).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))[0]
    return left.filter((candidate) => criterion(candidate) === best)
  }, candidates)[0]
}

type Modifier = Extract<Filter, { type: 'RequestHeaderModifier' }>['requestHeaderModifier']

function modified(lines: Lines, { set = [], add = [], remove = [] }: Modifier): Lines {
  const without = (list: Lines, name: string) =>
    list.filter(([field]) => field.toLowerCase() !== name.toLowerCase())
  let now = remove.reduce(without, lines)
  for (const { name, value } of set) now = [...without(now, name), [name, value]]
  return [...now, ...add.map(({ name, value }): [string, string] => [name, value])]
}

type PathModifier = NonNullable<Extract<Filter, { type: 'URLRewrite' }>['urlRewrite']['path']>

/** The table of HTTPPathModifier.replacePrefixMatch, as a rule. */
function newPath(path: string, match: Match, modifier: PathModifier | undefined): string {
  if (modifier === undefined) return path
  if (modifier.type === 'ReplaceFullPath') return modifier.replaceFullPath
  const rest = segments(path).slice(segments(pathValueOf(match)).length)
  const parts = [...segments(modifier.replacePrefixMatch), ...rest]
  return parts.length === 0 ? '/' : `/${parts.join('/')}${path.endsWith('/') ? '/' : ''}`
}

const show = (lines: Lines) => lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
const of = <T extends Filter['type']>(filters: Filter[], type: T) =>
  filters.filter((filter): filter is Extract<Filter, { type: T }> => filter.type === type)

/** Fields of a response that had one, `X-A: old`. */
function responseOf(filters: Filter[]): string {
  const all = of(filters, 'ResponseHeaderModifier')
  return show(
    all.reduce((lines, { responseHeaderModifier }) => modified(lines, responseHeaderModifier), [
      ['X-A', 'old'],
    ] as Lines),
  )
}

function redirectOf({ match }: Candidate, filters: Filter[], probe: Probe): Meaning | undefined {
  const [filter] = of(filters, 'RequestRedirect')
  if (filter === undefined) return undefined
  const { scheme, hostname, port, statusCode = 302, path } = filter.requestRedirect
  const wellKnown = scheme === 'https' ? 443 : 80
  const shown = port ?? (scheme === undefined ? probe.port : wellKnown)
  const [, query] = probe.target.split('?')
  const authority = `${hostname ?? 'echo'}${shown === wellKnown ? '' : `:${shown}`}`
  const url = `${scheme ?? 'http'}://${authority}${newPath(pathOf(probe), match, path)}`
  const location = query === undefined ? url : `${url}?${query}`
  return { status: statusCode, location, response: responseOf(filters) }
}

/** 500 for what is not there, not permitted or not on port 80, 503 for what nobody serves. */
function refusalOf({ route }: Candidate, { name, namespace, port }: BackendRef): number | undefined {
  const own = route.metadata.namespace
  const there = namespace ?? own
  if (there !== own && there !== 'default') return 500
  const served = SERVICES[`${there}/${name}`]
  if (served === undefined || port !== 80) return 500
  return served ? undefined : 503
}

function forward(candidate: Candidate, backend: BackendRef, filters: Filter[], probe: Probe): Meaning {
  const refusal = refusalOf(candidate, backend)
  if (refusal !== undefined) return { status: refusal }
  let path = pathOf(probe)
  let lines: Lines = [['Host', 'echo'], ...probe.headers]
  for (const { urlRewrite } of of(filters, 'URLRewrite')) {
    path = newPath(path, candidate.match, urlRewrite.path)
    const { hostname } = urlRewrite
    if (hostname !== undefined)
      lines = lines.map(([name, value]) => (name === 'Host' ? [name, hostname] : [name, value]))
  }
  for (const { requestHeaderModifier } of of(filters, 'RequestHeaderModifier')) {
    lines = modified(lines, requestHeaderModifier)
  }
  const [, query] = probe.target.split('?')
  const target = query === undefined ? path : `${path}?${query}`
  const to = `${backend.namespace ?? candidate.route.metadata.namespace}/${backend.name}`
  return {
    to,
    head: `${probe.method} ${target} HTTP/1.1\r\n${show(lines)}\r\n`,
    response: responseOf(filters),
  }
}

/** Consumer routes of the client's namespace stand instead of producer routes. */
function applicable(routes: HTTPRoute[], probe: Probe): HTTPRoute[] {
  const onPort = routes.filter(({ spec }) =>
    spec.parentRefs.some(({ port }) => (port ?? probe.port) === probe.port),
  )
  const ofClient = onPort.filter(({ metadata }) => metadata.namespace === probe.client)
  return ofClient.length > 0 ? ofClient : onPort.filter(({ metadata }) => metadata.namespace === 'default')
}

export function meaning(all: HTTPRoute[], probe: Probe): Meaning {
  const routes = applicable(all, probe)
  if (routes.length === 0) {
    if (probe.port !== 80) return { status: 500 }
    const head = `${probe.method} ${probe.target} HTTP/1.1\r\n${show([['Host', 'echo'], ...probe.headers])}\r\n`
    return { to: 'default/echo', head, response: responseOf([]) }
  }
  const candidates = routes.flatMap((route) =>
    route.spec.rules.flatMap((rule, order) =>
      (rule.matches ?? [{}]).map((match) => ({ route, rule, match, order })),
    ),
  )
  const decided = decide(candidates.filter(({ match }) => matches(match, probe)))
  if (decided === undefined) return { status: 404 }
  const slots = (decided.rule.backendRefs ?? []).flatMap((ref) =>
    Array<BackendRef>(ref.weight ?? 1).fill(ref),
  )
  const backend = slots[Math.floor((probe.random / 2 ** 32) * slots.length)]
  const filters = [...(decided.rule.filters ?? []), ...(backend?.filters ?? [])]
  const redirect = redirectOf(decided, filters, probe)
  if (redirect !== undefined) return redirect
  return backend === undefined ? { status: 500 } : forward(decided, backend, filters, probe)
}
