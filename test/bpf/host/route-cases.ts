/** Route sets and requests that meet in few names, so that rules overlap; all from one seed. */
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import type {
  Backend,
  Fault,
  Filter,
  NamedMatch,
  PathMatch,
  Route,
  RouteMatch,
  RouteRule,
  ServicePort,
} from '../../../pipelines/policy/route.ts'
import type { RouteQuestion } from '../../../pipelines/policy/route-evaluate.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import type { Random } from './streams.ts'

const source = { file: 'r.yaml', line: 3, column: 5 }
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))

const PATHS = ['/', '/a', '/a/', '/a/b', '/ab', '/a/b/c', '/c', '/long/path/to/something', '//', '/é']
const REGEXES = ['/a.*', '/[ab]+(/.*)?', '.*', '/(a|c)$', '.*b', '/a\\b.*', '/\\w+/b|/c', '/a/?', '^/a$']
const NAMES = ['x-a', 'x-b', 'host', 'content-type', 'x-c']
const VALUES = ['1', '2', '', 'a b', 'é', '1,2', 'echo', '1=2']
const VALUE_REGEXES = ['.*', '[12]', '1.*', '.+', '(?i)ECHO(:\\d+)?', '1,.*']
const PARAMETERS = ['a', 'b', 'long-name', '', 'a%62']
const METHODS = ['GET', 'GET', 'POST', 'HEAD', 'OPTIONS', 'GE', 'gET']
const NAMESPACES = [null, 'red', 'blue']
const SERVICES: ServicePort[] = ['s0', 's1', 's2', 's3'].map((name) => ({ namespace: 'n', name, port: 80 }))
const ASKED: ServicePort[] = [
  { namespace: 'n', name: 'echo', port: 80 },
  { namespace: 'n', name: 'echo', port: 8080 },
  { namespace: 'm', name: 'echo', port: 80 },
]

const some = <T>(random: Random, most: number, make: () => T): T[] =>
  Array.from({ length: random.below(most + 1) }, make)

function path(random: Random): PathMatch {
  const kind = random.pick(['exact', 'prefix', 'prefix', 'regex'] as const)
  return { kind, value: random.pick(kind === 'regex' ? REGEXES : PATHS) }
}

function named(random: Random, names: readonly string[]): NamedMatch[] {
  const distinct = new Map(some(random, 2, () => random.pick(names)).map((name) => [name, name]))
  return [...distinct.keys()].map((name) => {
    const kind = random.pick(['exact', 'exact', 'regex'] as const)
    return { name, kind, value: random.pick(kind === 'exact' ? VALUES : VALUE_REGEXES) }
  })
}

/** On one path, with demands that often hold: what decides is precedence. */
function crowded(random: Random): RouteMatch {
  const exact = (name: string) => ({
    name,
    kind: 'exact' as const,
    value: random.pick(['1', '1', '1', '1,2', '1=2']),
  })
  const chosen = (names: readonly string[]) => names.filter(() => random.chance(40)).map(exact)
  return {
    source,
    path: { kind: 'prefix', value: '/' },
    ...(random.chance(20) ? { method: 'GET' } : {}),
    headers: chosen(['x-a', 'x-b', 'x-c']),
    query: chosen(['a', 'b']),
  }
}

function match(random: Random): RouteMatch {
  return {
    source,
    path: path(random),
    ...(random.chance(30) ? { method: random.pick(METHODS) } : {}),
    headers: random.chance(35) ? named(random, NAMES) : [],
    query: random.chance(35) ? named(random, PARAMETERS) : [],
  }
}

const EDITED = [
  'X-A',
  'x-b',
  'Server',
  'content-type',
  'X-New',
  'User-Agent',
  'a-name-that-is-longer-than-thirty-two-bytes',
]
const WRITTEN = ['v', '', 'with blanks', 'é', 'a long value '.repeat(7).trim()]

function headers(random: Random, kind: 'request-headers' | 'response-headers'): Filter {
  const field = () => ({ name: random.pick(EDITED), value: random.pick(WRITTEN) })
  const remove = some(random, 2, () => random.pick(EDITED))
  return { kind, set: some(random, 2, field), add: some(random, 2, field), remove }
}

function respond(random: Random): Filter {
  const status = random.pick([200, 204, 299, 404, 503])
  const type = random.chance(50) ? { contentType: 'text/plain; charset=utf-8' } : {}
  const body = status === 204 ? '' : random.pick(['', 'x', 'é\r\n\r\n', 'a page\n'.repeat(140)])
  return { kind: 'respond', status, ...type, body }
}

function fault(random: Random): { fault?: Fault } {
  if (!random.chance(12)) return {}
  const abort = { status: random.pick([400, 503, 599]), percent: random.pick([0, 2_500, 5_000, 10_000]) }
  const delay = { duration: 3, percent: random.pick([0, 5_000, 10_000]) }
  return { fault: { ...(random.chance(80) ? { abort } : {}), ...(random.chance(25) ? { delay } : {}) } }
}

/** `prefix`: every match is by prefix, so that one can be replaced. */
function filter(random: Random, prefix: boolean): Filter {
  const replaced = { kind: 'prefix' as const, value: random.pick(['/', '/x', '/x/', '/x/y']) }
  const full = { kind: 'full' as const, value: random.pick(['/', '/whole', '']) }
  const part = random.chance(60) ? { path: prefix && random.chance(70) ? replaced : full } : {}
  const host = random.chance(50) ? { host: random.pick(['other', 'other.example']) } : {}
  const kind = random.below(12)
  if (kind < 4) return headers(random, 'request-headers')
  if (kind < 6) return headers(random, 'response-headers')
  if (kind < 9) return { kind: 'rewrite', ...host, ...part }
  if (kind === 10) return respond(random)
  return {
    kind: 'redirect',
    status: random.pick([301, 302, 303, 307, 308] as const),
    ...(random.chance(40) ? { scheme: random.pick(['http', 'https'] as const) } : {}),
    ...(random.chance(40) ? { port: random.pick([80, 443, 8443]) } : {}),
    ...host,
    ...part,
  }
}

function rule(random: Random, crowd: boolean): RouteRule {
  const make = () => (crowd ? crowded(random) : match(random))
  const matches = [make(), ...some(random, 2, make)]
  const prefix = matches.every((each) => each.path.kind === 'prefix')
  const filters = () => (random.chance(30) ? some(random, 3, () => filter(random, prefix)) : [])
  const backend = (): Backend => ({
    service: random.chance(92) ? random.pick(SERVICES) : null,
    weight: random.pick([0, 1, 1, 2, 9, 1_000_000]),
    filters: filters(),
  })
  return {
    source,
    matches,
    filters: filters(),
    backends: some(random, 3, backend),
    requestTimeout: random.chance(5) ? 1_000 : 0,
    backendTimeout: 0,
    ...fault(random),
  }
}

function route(random: Random): Route {
  const { namespace, name, port } = random.pick(ASKED)
  const crowd = random.chance(40)
  return {
    name: `r${random.below(3)}`,
    namespace: 'n',
    source,
    created: random.pick(['', '2026-01-02T03:04:05Z', '2025-01-02T03:04:05Z']),
    service: { namespace, name, port: random.chance(60) ? null : port },
    clients: random.pick(NAMESPACES),
    rules: [rule(random, crowd), ...some(random, 4, () => rule(random, crowd))],
  }
}

/** Inbound rules that name some of the same headers: they share dimensions with routes. */
function policies(random: Random): PolicySet['policies'] {
  const http = some(random, 4, () => ({
    source,
    path: random.pick(['/a.*', '.*/b', '.*']),
    headers: [{ name: random.pick(['X-A', 'x-c', 'Host']), ...(random.chance(50) ? { value: '1' } : {}) }],
  }))
  const subject = { namespaces: ['n'], requirements: [] }
  const allow = [{ source, peers: null, ports: null, http }]
  return [{ name: 'p', namespace: 'n', source, subject, unparsed: 'refuse', selects: true, allow, deny: [] }]
}

export function routedSet(random: Random): PolicySet {
  return { policies: policies(random), routes: [route(random), ...some(random, 5, () => route(random))] }
}

const TARGETS = [
  ...['/', '/a', '/a/', '/a/b', '/ab', '/a/b/c', '/abc', '/c', '/c/', '//', '//x', '/b/b', '/%C3%A9'],
  '/long/path/to/something/else',
]
const QUERIES = [
  '',
  '1',
  '2',
  'a=1',
  'a=2',
  'b=1',
  'a',
  'a=',
  '=1',
  '&',
  'long-name=echo',
  'a%62=1',
  'a=1,2',
  'a=1=2',
  '?',
]
const FIELDS = [
  'X-A: 1',
  'x-a:2',
  'X-A: 1 ',
  'x-B:',
  'X-B: a b',
  'x-b: \xc3\xa9',
  'X-B: 1',
  'X-C: q',
  'x-c: 1',
  'X-B: a\tb and a long value behind it',
  'content-TYPE:\t1,2',
]
const OTHERS = [
  'User-Agent: nobody',
  'Accept: */*',
  'Connection: keep-alive',
  'a-name-that-is-longer-than-thirty-two-bytes: v',
]
const HOSTS = ['echo', 'ECHO:80', '1', '', ':80', ' echo:8080 ', 'other.example']

function target(random: Random, method: string): string {
  if (method === 'OPTIONS' && random.chance(30)) return '*'
  const path = random.pick(TARGETS)
  if (!random.chance(50)) return path
  return `${path}?${some(random, 4, () => random.pick(QUERIES)).join('&')}`
}

/** What meets the demands of a crowd. */
function crowdedHead(random: Random): string {
  const fields = ['X-A: 1', 'X-B: 1', 'x-c: 1', 'x-a: 2'].filter((_, i) => random.chance(i < 3 ? 70 : 10))
  const query = ['a=1', 'b=1', 'a=1=2'].filter(() => random.chance(60)).join('&')
  return `GET /?${query} HTTP/1.1\r\nHost: echo\r\n${fields.map((line) => `${line}\r\n`).join('')}\r\n`
}

/** A canonical head, as text of one character a byte. */
function head(random: Random): string {
  if (random.chance(40)) return crowdedHead(random)
  const method = random.pick(METHODS)
  const fields = [
    ...some(random, 3, () => random.pick(FIELDS)),
    ...some(random, 3, () => random.pick(OTHERS)),
  ]
  fields.splice(random.below(fields.length + 1), 0, `Host:${random.pick(['', ' '])}${random.pick(HOSTS)}`)
  return `${method} ${target(random, method)} HTTP/1.1\r\n${fields.map((line) => `${line}\r\n`).join('')}\r\n`
}

export function parsed(text: string): Request {
  const [line = '', ...lines] = text.split('\r\n').slice(0, -2)
  const [method = '', asked = ''] = line.split(' ')
  return {
    method: bytes(method),
    target: bytes(asked),
    version: '1.1',
    fields: lines.map((each) => {
      const colon = each.indexOf(':')
      const value = each.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
      return { name: bytes(each.slice(0, colon)), value: bytes(value) }
    }),
  }
}

export type Asked = RouteQuestion & { text: string; random: number }

export function asked(random: Random): Asked {
  const text = head(random)
  const edge = random.pick([0, 0xffff_ffff, 0x8000_0000, 0x7fff_ffff])
  return {
    text,
    request: parsed(text),
    service: random.pick(ASKED),
    client: random.pick([...NAMESPACES, 'green']),
    random: random.chance(20) ? edge : random.below(0x1_0000_0000),
  }
}
