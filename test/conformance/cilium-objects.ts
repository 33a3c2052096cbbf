/** CiliumNetworkPolicy objects as people write them, only that part which the oracle and Heddle both know. */
import fc from 'fast-check'

export type LabelSelector = {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}
export type HttpRule = {
  method?: string
  path?: string
  host?: string
  headers?: (string | { name: string; values?: string[] })[]
  headerMatches?: { name: string; value?: string }[]
}
export type L7 = { http?: HttpRule[] }
export type ToPorts = { ports: { port: string; endPort?: number; protocol?: string }[]; rules?: L7 | L7[] }
export type Ingress = {
  fromEndpoints?: LabelSelector[]
  fromCIDR?: string[]
  fromCIDRSet?: { cidr: string; except?: string[] }[]
  toPorts?: ToPorts[]
}
export type Spec = {
  endpointSelector: LabelSelector
  enableDefaultDeny?: { ingress?: boolean; egress?: boolean }
  ingress?: Ingress[]
  ingressDeny?: Ingress[]
}
export type Cnp = {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string }
  spec?: Spec
  specs?: Spec[]
}

const NAMESPACE_KEYS = [
  'io.kubernetes.pod.namespace',
  'k8s:io.kubernetes.pod.namespace',
  'any:io.kubernetes.pod.namespace',
]
const prefixed = (key: string) => fc.constantFrom(key, key, `k8s:${key}`, `any:${key}`)
const some = <T>(item: fc.Arbitrary<T>, maxLength = 2) => fc.array(item, { minLength: 1, maxLength })
/** Drop keys that were not chosen, so that absent stays absent in YAML. */
const record = <T extends object>(fields: { [K in keyof T]-?: fc.Arbitrary<T[K] | undefined> }) =>
  fc.record(fields as Record<string, fc.Arbitrary<unknown>>).map((value) => {
    const given = Object.entries(value).filter(([, part]) => part !== undefined)
    return Object.fromEntries(given) as T
  })
const rarely = <T>(item: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: item })
const often = <T>(item: fc.Arbitrary<T>) => fc.option(item, { nil: undefined, freq: 6 })

const apps = fc.constantFrom('api', 'web', 'db')
const tiers = fc.constantFrom('x', 'y')
const label = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(prefixed('app'), apps) },
  { weight: 3, arbitrary: fc.tuple(prefixed('tier'), tiers) },
  { weight: 1, arbitrary: fc.tuple(prefixed('absent'), tiers) },
)
const expression = fc
  .tuple(prefixed('app'), prefixed('tier'), fc.nat(7), some(apps), some(tiers))
  .map(([app, tier, kind, appValues, tierValues]) => {
    const choices = [
      { key: app, operator: 'In', values: appValues },
      { key: app, operator: 'NotIn', values: appValues },
      { key: tier, operator: 'In', values: tierValues },
      { key: tier, operator: 'NotIn', values: tierValues },
      { key: tier, operator: 'Exists' },
      { key: tier, operator: 'DoesNotExist' },
      { key: 'absent', operator: 'DoesNotExist' },
      { key: 'io.cilium.k8s.policy.cluster', operator: 'Exists' },
    ]
    return choices[kind] as { key: string; operator: string; values?: string[] }
  })
const labels = fc
  .oneof({ weight: 5, arbitrary: fc.array(label, { maxLength: 1 }) }, fc.array(label, { maxLength: 2 }))
  .map((pairs) => Object.fromEntries(pairs))

const subject: fc.Arbitrary<LabelSelector> = record<LabelSelector>({
  matchLabels: often(labels),
  matchExpressions: rarely(fc.array(expression, { maxLength: 1 })),
})

const inNamespace = fc.tuple(
  fc.constantFrom(...NAMESPACE_KEYS),
  fc.nat(4),
  some(fc.constantFrom('default', 'shop')),
)
const peer: fc.Arbitrary<LabelSelector> = fc
  .tuple(subject, rarely(inNamespace))
  .map(([selector, namespace]): LabelSelector => {
    if (namespace === undefined) return selector
    const [key, kind, values] = namespace
    if (kind === 0)
      return { ...selector, matchLabels: { ...selector.matchLabels, [key]: values[0] as string } }
    const operators = ['In', 'NotIn', 'Exists', 'In']
    const operator = operators[kind - 1] as string
    const wanted = operator === 'Exists' ? { key, operator } : { key, operator, values }
    return { ...selector, matchExpressions: [...(selector.matchExpressions ?? []), wanted] }
  })

const cidr = fc.constantFrom(
  '10.0.0.0/8',
  '10.1.2.3/16',
  '192.0.2.7',
  '192.0.2.0/24',
  '0.0.0.0/0',
  '2001:db8::/32',
  '::/0',
)
const cidrSet = fc.constantFrom<{ cidr: string; except?: string[] }>(
  { cidr: '10.0.0.0/8', except: ['10.1.0.0/16', '10.2.3.0/24'] },
  { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] },
  { cidr: '2001:db8::/32', except: ['2001:db8:1::/48'] },
  { cidr: '192.0.2.0/24', except: [] },
  { cidr: '10.0.0.0/8' },
)

const expressions = {
  method: fc.constantFrom('GET', 'POST', 'GET|HEAD', 'P.*', '', '(?i)get', '[A-Z]+'),
  path: fc.constantFrom(
    '/',
    '/public',
    '/public$',
    '^/public',
    '/pub.*',
    '/api/v[0-9]+/.*',
    '.*admin.*',
    '/a/?',
    '.*\\?q=[^&]+',
    '/api(/.*)?|/x',
  ),
  host: fc.constantFrom('api', 'api(:80)?', '.*\\.example', '.*', '^api$'),
}
const header = fc.constantFrom<string | { name: string; values?: string[] }>(
  'X-Key',
  'X-Key: 1',
  'x-key: 2',
  'X-Mode fast lane',
  { name: 'x-key', values: ['1', '2'] },
  { name: 'X-Mode' },
)
const headerMatch = fc.constantFrom<{ name: string; value?: string }>(
  { name: 'X-Key', value: '1' },
  { name: 'X-KEY' },
  { name: 'X-Mode', value: 'fast lane' },
  { name: 'X-Mode', value: '' },
)
const seldom = <T>(item: fc.Arbitrary<T>) => fc.oneof({ weight: 7, arbitrary: fc.constant(undefined) }, item)
const http: fc.Arbitrary<HttpRule> = record<HttpRule>({
  method: rarely(expressions.method),
  path: often(expressions.path),
  host: seldom(expressions.host),
  headers: seldom(some(header)),
  headerMatches: seldom(some(headerMatch, 1)),
})
const httpList = fc.oneof({ weight: 9, arbitrary: some(http, 4) }, fc.constant<HttpRule[]>([]))
const rules: fc.Arbitrary<L7 | L7[]> = fc.oneof(
  { weight: 8, arbitrary: httpList.map((list): L7 => ({ http: list })) },
  { weight: 1, arbitrary: fc.constant<L7>({}) },
  { weight: 3, arbitrary: some(httpList.map((list): L7 => ({ http: list }))) },
)

const number = fc.constantFrom('80', '80', '81', '8080', '0')
const anyPort = fc
  .tuple(number, rarely(fc.constantFrom('TCP', 'UDP', 'SCTP', 'ANY')), fc.boolean())
  .map(([port, protocol, range]) => ({
    port,
    ...(range && port !== '0' ? { endPort: Number(port) + 1 } : {}),
    ...(protocol === undefined ? {} : { protocol }),
  }))
const httpPort = fc.constantFrom('80', '80', '80', '8080').map((port) => ({ port, protocol: 'TCP' }))
const l4Ports = some(anyPort).map((ports): ToPorts => ({ ports }))
const l7Ports = fc.tuple(some(httpPort), rules).map(([ports, l7]): ToPorts => ({ ports, rules: l7 }))

const from: fc.Arbitrary<Ingress> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.array(peer, { maxLength: 2 }).map((fromEndpoints): Ingress => ({ fromEndpoints })),
  },
  { weight: 1, arbitrary: fc.array(cidr, { maxLength: 2 }).map((fromCIDR): Ingress => ({ fromCIDR })) },
  {
    weight: 2,
    arbitrary: fc.array(cidrSet, { maxLength: 2 }).map((fromCIDRSet): Ingress => ({ fromCIDRSet })),
  },
  { weight: 1, arbitrary: fc.constant<Ingress>({}) },
)
const withPorts = (ports: fc.Arbitrary<ToPorts>) =>
  fc
    .tuple(from, fc.oneof({ weight: 5, arbitrary: some(ports) }, fc.constant<ToPorts[]>([])), fc.boolean())
    .map(([peers, toPorts, absent]): Ingress => {
      return toPorts.length === 0 && absent ? peers : { ...peers, toPorts }
    })
const ingress = withPorts(fc.oneof({ weight: 4, arbitrary: l7Ports }, { weight: 1, arbitrary: l4Ports }))
const deny = withPorts(l4Ports)

const spec: fc.Arbitrary<Spec> = record<Spec>({
  endpointSelector: subject,
  enableDefaultDeny: seldom(
    record<{ ingress?: boolean; egress?: boolean }>({
      ingress: often(fc.boolean()),
      egress: rarely(fc.constant(false)),
    }),
  ),
  ingress: often(fc.array(ingress, { maxLength: 3 })),
  ingressDeny: seldom(fc.array(deny, { maxLength: 1 })),
})

/** A handful of policies, named apart. */
export const cnps: fc.Arbitrary<Cnp[]> = fc
  .array(fc.tuple(fc.constantFrom(undefined, 'default', undefined, 'shop'), some(spec), fc.boolean()), {
    minLength: 1,
    maxLength: 4,
  })
  .map((list) =>
    list.map(([namespace, specs, single], index): Cnp => {
      const metadata = namespace === undefined ? { name: `p${index}` } : { name: `p${index}`, namespace }
      const head = { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata }
      return single || specs.length === 1 ? { ...head, spec: specs[0] as Spec } : { ...head, specs }
    }),
  )
