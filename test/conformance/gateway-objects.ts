/** HTTPRoute objects and requests as people write them, only that part which the oracle and Heddle both know. */
import fc from 'fast-check'

type Named = { name: string; value: string; type?: 'Exact' | 'RegularExpression' }
export type Match = {
  path?: { type?: 'Exact' | 'PathPrefix' | 'RegularExpression'; value?: string }
  method?: string
  headers?: Named[]
  queryParams?: Named[]
}
type Header = { name: string; value: string }
type Headers = { set?: Header[]; add?: Header[]; remove?: string[] }
type PathModifier =
  | { type: 'ReplaceFullPath'; replaceFullPath: string }
  | { type: 'ReplacePrefixMatch'; replacePrefixMatch: string }
export type Filter =
  | { type: 'RequestHeaderModifier'; requestHeaderModifier: Headers }
  | { type: 'ResponseHeaderModifier'; responseHeaderModifier: Headers }
  | { type: 'URLRewrite'; urlRewrite: { hostname?: string; path?: PathModifier } }
  | {
      type: 'RequestRedirect'
      requestRedirect: {
        scheme?: 'http' | 'https'
        hostname?: string
        port?: number
        statusCode?: number
        path?: PathModifier
      }
    }
export type BackendRef = {
  name: string
  namespace?: string
  port: number
  weight?: number
  filters?: Filter[]
}
export type Rule = { matches?: Match[]; filters?: Filter[]; backendRefs?: BackendRef[] }
export type HTTPRoute = {
  apiVersion: 'gateway.networking.k8s.io/v1'
  kind: 'HTTPRoute'
  metadata: { name: string; namespace: string; creationTimestamp?: string }
  spec: {
    parentRefs: { group: ''; kind: 'Service'; name: string; namespace?: string; port?: number }[]
    rules: Rule[]
  }
}
export type Probe = {
  client: 'default' | 'shop'
  port: number
  method: string
  target: string
  headers: [string, string][]
  random: number
}

const rarely = <T>(item: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: item })
const often = <T>(item: fc.Arbitrary<T>) => fc.option(item, { nil: undefined, freq: 4 })
/** Drop keys that were not chosen, so that absent stays absent in YAML. */
const record = <T extends object>(fields: { [K in keyof T]-?: fc.Arbitrary<T[K] | undefined> }) =>
  fc.record(fields as Record<string, fc.Arbitrary<unknown>>).map((value) => {
    const given = Object.entries(value).filter(([, part]) => part !== undefined)
    return Object.fromEntries(given) as T
  })
const some = <T>(item: fc.Arbitrary<T>, maxLength = 2) => fc.array(item, { minLength: 1, maxLength })
/** A list that may have one entry a name. */
const byName = <T extends { name: string }>(item: fc.Arbitrary<T>) =>
  fc.uniqueArray(item, { minLength: 1, maxLength: 2, selector: ({ name }) => name })

const path = fc.constantFrom<NonNullable<Match['path']>>(
  {},
  { value: '/a' },
  { value: '/a/' },
  { type: 'PathPrefix', value: '/a/b' },
  { type: 'Exact', value: '/a' },
  { type: 'Exact', value: '/a/b' },
  { type: 'RegularExpression', value: '/a.*' },
  { type: 'RegularExpression', value: '/[ab]+(/.*)?' },
)
const named = (names: string[], values: string[]) =>
  byName(
    fc
      .tuple(fc.constantFrom(...names), fc.constantFrom(...values), fc.boolean())
      .map(([name, value, expression]): Named => {
        return expression ? { name, type: 'RegularExpression', value: `${value}|x+` } : { name, value }
      }),
  )
const match: fc.Arbitrary<Match> = record<Match>({
  path: often(path),
  method: rarely(fc.constantFrom('GET', 'POST')),
  headers: rarely(named(['x-a', 'X-B'], ['1', '2', '1,2'])),
  queryParams: rarely(named(['p', 'q'], ['1', '2'])),
})

const header = fc.record({
  name: fc.constantFrom('x-a', 'X-A', 'X-New', 'accept'),
  value: fc.constantFrom('1', 'new value'),
})
const oneCase = fc.uniqueArray(header, {
  minLength: 1,
  maxLength: 2,
  selector: ({ name }) => name.toLowerCase(),
})
const headers = record<Headers>({
  set: rarely(oneCase),
  add: rarely(oneCase),
  remove: rarely(some(fc.constantFrom('x-b', 'X-A'), 1)),
})
const full = fc.constantFrom<PathModifier>({ type: 'ReplaceFullPath', replaceFullPath: '/full' })
const prefix = fc
  .constantFrom('', '/', '/n', '/n/m/')
  .map((value): PathModifier => ({ type: 'ReplacePrefixMatch', replacePrefixMatch: value }))

const modifiers: fc.Arbitrary<Filter[]> = fc
  .tuple(rarely(headers), rarely(headers))
  .map(([request, response]): Filter[] => [
    ...(request === undefined
      ? []
      : [{ type: 'RequestHeaderModifier' as const, requestHeaderModifier: request }]),
    ...(response === undefined
      ? []
      : [{ type: 'ResponseHeaderModifier' as const, responseHeaderModifier: response }]),
  ])
const rewriteOf = (paths: fc.Arbitrary<PathModifier>) =>
  record<{ hostname?: string; path?: PathModifier }>({
    hostname: rarely(fc.constant('new.example')),
    path: often(paths),
  }).map((urlRewrite): Filter => ({ type: 'URLRewrite', urlRewrite }))
const redirectOf = (paths: fc.Arbitrary<PathModifier>) =>
  record<Extract<Filter, { type: 'RequestRedirect' }>['requestRedirect']>({
    scheme: rarely(fc.constantFrom('http', 'https')),
    hostname: rarely(fc.constant('new.example')),
    port: rarely(fc.constantFrom(80, 443, 8080)),
    statusCode: rarely(fc.constantFrom(301, 302, 303, 307, 308)),
    path: rarely(paths),
  }).map((requestRedirect): Filter => ({ type: 'RequestRedirect', requestRedirect }))

const backend = record<BackendRef>({
  name: fc.constantFrom('a', 'b', 'c', 'missing'),
  namespace: rarely(fc.constantFrom('default', 'shop', 'far')),
  port: fc.constantFrom(80, 80, 80, 81),
  weight: rarely(fc.constantFrom(0, 1, 2, 3)),
  filters: rarely(modifiers),
})

/** Prefixes may be replaced where the one match of a rule is by prefix; redirects have no backends. */
const rule: fc.Arbitrary<Rule> = fc.nat(4).chain((kind): fc.Arbitrary<Rule> => {
  const byPrefix = kind > 2
  const one = match.map((item): Match[] => [
    { ...item, path: { type: 'PathPrefix', value: item.path?.value?.startsWith('/a') ? '/a' : '/' } },
  ])
  const matches: fc.Arbitrary<Match[] | undefined> = byPrefix ? one : rarely(some(match, 3))
  const paths = byPrefix ? fc.oneof(full, prefix) : full
  const redirecting = kind === 0 || kind === 3
  const own = redirecting ? redirectOf(paths) : rarely(rewriteOf(paths))
  return record<Rule>({
    matches,
    filters: fc.tuple(modifiers, own).map(([list, other]) => (other === undefined ? list : [...list, other])),
    backendRefs: redirecting ? fc.constant(undefined) : often(some(backend, 3)),
  })
})

const port = rarely(fc.constantFrom(80, 81))
const route = fc
  .record({
    namespace: fc.constantFrom<'default' | 'shop'>('default', 'default', 'shop'),
    age: rarely(fc.constantFrom('2026-01-01T00:00:00Z', '2025-01-01T00:00:00Z')),
    port,
    rules: some(rule, 3),
  })
  .map(
    ({ namespace, age, port: of, rules }): HTTPRoute => ({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: {
        name: 'r',
        namespace,
        ...(age === undefined ? {} : { creationTimestamp: age }),
      },
      spec: {
        parentRefs: [
          {
            group: '',
            kind: 'Service',
            name: 'echo',
            ...(namespace === 'default' ? {} : { namespace: 'default' }),
            ...(of === undefined ? {} : { port: of }),
          },
        ],
        rules,
      },
    }),
  )

/** A handful of routes for one service, named apart; the order of names is not that of the list. */
export const routes: fc.Arbitrary<HTTPRoute[]> = fc.array(route, { minLength: 1, maxLength: 4 }).map((list) =>
  list.map((item, index) => ({
    ...item,
    metadata: { ...item.metadata, name: `r${(index * 3 + 1) % 4}` },
  })),
)

const field = fc.constantFrom<[string, string]>(
  ['X-A', '1'],
  ['x-a', '2'],
  ['X-b', '1'],
  ['X-B', 'xx'],
  ['Accept', '*/*'],
)
const SLOTS = 720
export const probe: fc.Arbitrary<Probe> = fc.record({
  client: fc.constantFrom<Probe['client']>('default', 'default', 'shop'),
  port: fc.constantFrom(80, 80, 81),
  method: fc.constantFrom('GET', 'GET', 'POST', 'HEAD'),
  target: fc
    .tuple(
      fc.constantFrom('/', '/a', '/a/', '/a/b', '/a/b/c', '/ab', '/b', '/aa'),
      fc.constantFrom('', '', '?p=1', '?p=2&q=1', '?q=x&p=1&q=2', '?'),
    )
    .map((parts) => parts.join('')),
  headers: fc.array(field, { maxLength: 3 }),
  // Never on a boundary: 720 is a multiple of every sum of weights that there is.
  random: fc.nat(SLOTS - 1).map((slot) => Math.floor(((slot + 0.5) / SLOTS) * 2 ** 32)),
})
