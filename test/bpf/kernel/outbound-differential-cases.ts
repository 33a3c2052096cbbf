/** Generated policies, routes and stretches of requests on connections; all from one seed. */
import type { HttpMatch, Policy, PolicySet, Rule } from '../../../pipelines/policy/model.ts'
import type { Filter, Route, RouteRule, ServicePort } from '../../../pipelines/policy/route.ts'
import { asked, routedSet } from '../host/route-cases.ts'
import type { Random } from '../host/streams.ts'
import { ID_FIELD, LAST_MANNERS, MANNER_FIELD, MANNERS } from './outbound-differential-manners.ts'
import { SERVERS } from './outbound-differential-world.ts'

const source = { file: 'generated.yaml', line: 1, column: 1 }
/** Far from any time that a case takes. */
const TIMEOUT_MS = 60_000

const some = <T>(random: Random, most: number, make: () => T): T[] =>
  Array.from({ length: random.below(most + 1) }, make)

/* ---- policies ---- */

const PEERS: Rule['peers'][] = [
  null,
  null,
  [{ kind: 'endpoints', selector: { namespaces: ['red'], requirements: [] } }],
  [{ kind: 'endpoints', selector: { namespaces: ['blue'], requirements: [] } }],
]

/** Each lets some of the requests in, and not the others. */
const PATHS = ['/a.*', '.*/b.*', '/', '/x.*', '.*\\?.*', '/\\?.*', '/[^?]*', '.*b=1.*', '/(a|c|long).*']

function httpMatch(random: Random): HttpMatch {
  return {
    source,
    ...(random.chance(90) ? { path: random.pick(PATHS) } : {}),
    ...(random.chance(15) ? { method: random.pick(['GET', 'POST', 'G.*']) } : {}),
    ...(random.chance(10) ? { host: random.pick(['echo', 'other.*', '.*:80']) } : {}),
    headers: random.chance(20)
      ? [{ name: random.pick(['X-A', 'x-c', 'X-New']), ...(random.chance(50) && { value: '1' }) }]
      : [],
  }
}

function policy(random: Random, index: number): Policy {
  const values = [random.pick(SERVERS).name]
  const allow = (): Rule => ({
    source,
    peers: random.pick(PEERS),
    ports: null,
    http: random.chance(90) ? [httpMatch(random), ...some(random, 1, () => httpMatch(random))] : null,
  })
  return {
    name: `p${index}`,
    namespace: 'n',
    source,
    subject: { namespaces: ['n'], requirements: [{ key: 'server', operator: 'In', values }] },
    unparsed: 'refuse',
    selects: random.chance(90),
    allow: [allow(), ...some(random, 1, allow)],
    deny: random.chance(10)
      ? [{ source, peers: random.pick(PEERS.slice(2)) as Rule['peers'], ports: null, http: null }]
      : [],
  }
}

/* ---- routes ---- */

function cors(random: Random): Filter {
  return {
    kind: 'cors',
    origins: [random.pick(['*', 'http://a.example', 'http://*.example', 'https://b.example'])],
    credentials: random.chance(40),
    methods: some(random, 2, () => random.pick(['GET', 'POST', '*'])),
    headers: some(random, 2, () => random.pick(['X-A', 'x-new', '*'])),
    expose: some(random, 1, () => 'X-Server'),
    maxAge: 5,
  }
}

/** Most sets change nothing on the way: those are the ones that the kernel carries. */
function ruleOf(random: Random, rule: RouteRule, changed: boolean): RouteRule {
  const backends = rule.backends.map((backend) => ({
    ...backend,
    service:
      backend.service?.name === 's3' && random.chance(40)
        ? { ...backend.service, name: 's0' }
        : backend.service,
    filters: changed ? backend.filters : [],
  }))
  if (backends.length === 0 && random.chance(75))
    backends.push({
      service: { namespace: 'n', name: random.pick(['s0', 's1', 's2']), port: 80 },
      weight: 1,
      filters: [],
    })
  return {
    ...rule,
    filters: changed ? [...rule.filters, ...(random.chance(15) ? [cors(random)] : [])] : [],
    backends,
    requestTimeout: rule.requestTimeout > 0 ? TIMEOUT_MS : 0,
  }
}

/** Takes what no other rule does. */
function catching(random: Random): RouteRule {
  const service = { namespace: 'n', name: random.pick(['s0', 's1', 's2']), port: 80 }
  const matches = [{ source, path: { kind: 'prefix' as const, value: '/' }, headers: [], query: [] }]
  return {
    source,
    matches,
    filters: [],
    backends: [{ service, weight: 1, filters: [] }],
    requestTimeout: 0,
    backendTimeout: 0,
  }
}

export function generatedSet(random: Random): PolicySet {
  const { routes } = routedSet(random)
  const changed = random.chance(40)
  const own = ({ rules, ...route }: Route): Route => ({
    ...route,
    rules: [
      ...rules.map((rule) => ruleOf(random, rule, changed)),
      ...(random.chance(85) ? [catching(random)] : []),
    ],
  })
  return {
    policies: some(random, 4, () => 0).map((_, i) => policy(random, i)),
    routes: routes.map(own),
  }
}

/* ---- requests ---- */

/** `head`, `body`: one character a byte. `id` is the bytes' own. */
export type Message = { id: string; service: ServicePort; head: string; body: string; cuts: number[] }
/** What one connection says in one go. `last`: nothing follows on it. */
export type Stretch = { pipelined: boolean; eager: boolean; last: boolean; messages: Message[] }

function bodyLength(random: Random): number {
  return random.chance(5) ? random.pick([4_000, 16_400, 40_000]) : random.pick([0, 1, 5, 70, 300])
}

function chunked(random: Random): string {
  const chunks = some(random, 4, () => {
    const data = random.pick(['d', '\r\n', '0\r\n\r\n']).repeat(1 + random.below(90))
    return `${data.length.toString(16)}${random.pick(['', '', ';e=1', ';e="q"'])}\r\n${data}\r\n`
  })
  return `${chunks.join('')}0\r\n${random.chance(30) ? 'X-Trailer: t\r\n' : ''}\r\n`
}

function framed(random: Random, methodHasBody: boolean): { line: string; body: string } {
  if (!random.chance(methodHasBody ? 85 : 8)) return { line: '', body: '' }
  if (random.chance(40)) return { line: 'Transfer-Encoding: chunked\r\n', body: chunked(random) }
  const length = bodyLength(random)
  return { line: `Content-Length: ${length}\r\n`, body: 'b\r\n\r\n'.repeat(length).slice(0, length) }
}

/** Behind any line of a head that is not its last. */
function withLines(random: Random, head: string, lines: string): string {
  const ends = [...head.matchAll(/\r\n/g)].slice(0, -1).map(({ index }) => index + 2)
  const at = random.pick(ends)
  return `${head.slice(0, at)}${lines}${head.slice(at)}`
}

function cutsOf(random: Random, length: number): number[] {
  if (random.chance(60)) return []
  if (random.chance(12) && length < 400) return Array.from({ length: length - 1 }, (_, i) => i + 1)
  return [...new Set(some(random, 5, () => 1 + random.below(length - 1)))].sort((a, b) => a - b)
}

function preflight(random: Random, head: string): string {
  const asks = random.pick(['', 'Access-Control-Request-Headers: x-a, y\r\n'])
  const lines = `Origin: http://a.example\r\nAccess-Control-Request-Method: PUT\r\n${asks}`
  return withLines(random, head.replace(/^\S+/, 'OPTIONS'), lines)
}

function message(
  random: Random,
  { id, service, last }: { id: string; service: ServicePort; last: boolean },
): Message {
  let head = asked(random).text
  if (head.startsWith('GET ') && random.chance(25)) head = head.replace('GET', 'POST')
  if (random.chance(8))
    head = withLines(random, head, `Origin: http://${random.pick(['a', 'x.a', 'b'])}.example\r\n`)
  if (random.chance(4)) head = preflight(random, head)
  const { line, body } = framed(random, head.startsWith('POST'))
  const ends = last && random.chance(25)
  const manner = ends && random.chance(60) ? random.pick(LAST_MANNERS) : random.pick(MANNERS)
  if (ends && random.chance(30)) head = withLines(random, head, 'Connection: close\r\n')
  else if (ends && random.chance(20) && !line.startsWith('Transfer'))
    head = head.replace(' HTTP/1.1\r\n', ' HTTP/1.0\r\n')
  if (random.chance(2))
    head = withLines(random, head, `Cookie: ${'c'.repeat(random.pick([3_700, 4_096, 9_000]))}\r\n`)
  head = withLines(random, head, `${line}${ID_FIELD}: ${id}\r\n${MANNER_FIELD}: ${manner}\r\n`)
  return { id, service, head, body, cuts: cutsOf(random, head.length + body.length) }
}

/** On a connection to `service`. */
export function generatedStretch(random: Random, service: ServicePort, name: string): Stretch {
  const pipelined = random.chance(20)
  /* What has pipelined is the relay's from then on. */
  const last = random.chance(pipelined ? 80 : 40)
  const count = 1 + random.below(8)
  const messages = Array.from({ length: count }, (_, i) =>
    message(random, { id: `${name}.${i}`, service, last: last && i === count - 1 }),
  )
  return { pipelined, eager: random.chance(30), last, messages }
}
