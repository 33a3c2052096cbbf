/**
 * Generated policies and requests that come close to them. Seeded: the same
 * number gives the same case, on every machine.
 */
import type { HttpMatch, Policy, PolicySet, Rule, Workload } from '../../../pipelines/policy/model.ts'
import { generatedCondition, nearRequest } from '../../fakes/generated-conditions.ts'
import type { Random } from '../../fakes/random.ts'

const SOURCE = { file: 'generated.yaml', line: 1, column: 1 }
const WORDS = ['public', 'api', 'v1', 'users', 'admin', 'a', 'health', 'orders', 'x-y', '_']
const METHODS = ['GET', 'POST', 'PUT', 'GET|POST', 'P.*', 'HEAD', '[A-Z]+', 'DELETE']
const HOSTS = ['example.com', '.*\\.example\\.com', 'a', 'api[0-9]\\.test', '.*']
const HEADERS = ['X-Tenant', 'x-team', 'Accept', 'Content-Length', 'X-Team', 'Authorization']
const VALUES = ['alpha', 'beta', 'a b', '5', 'Bearer x', '']

/** Addresses of loopback stand for workloads, others there for the world. */
export const SUBJECT: Workload = {
  name: 'api',
  namespace: 'default',
  labels: { app: 'api', tier: 'back' },
  addresses: ['127.0.0.1'],
  mode: 'kernel',
}
export const PEERS: Workload[] = [
  { name: 'web', namespace: 'default', labels: { app: 'web' }, addresses: ['127.0.0.2'], mode: 'kernel' },
  {
    name: 'job',
    namespace: 'jobs',
    labels: { app: 'job', team: 'x' },
    addresses: ['127.0.0.3'],
    mode: 'kernel',
  },
]
export const WORLD = ['127.1.0.9', '127.2.3.4']

const inNamespace = (key: string, value: string, namespaces: string[] | null = ['default']) => ({
  namespaces,
  requirements: [{ key, operator: 'In' as const, values: [value] }],
})

function pathPattern(r: Random): string {
  const path = `/${r.pick(WORDS)}/${r.pick(WORDS)}`
  switch (r.below(9)) {
    case 0:
      return `${path}/[0-9]+`
    case 1:
      return r.chance(0.5) ? '/.*' : `/${r.pick(WORDS)}.*`
    case 2:
      return `.*${r.pick(WORDS)}.*`
    case 3:
      return `.*/${r.pick(WORDS)}`
    case 4:
      return `/(${r.pick(WORDS)}|${r.pick(WORDS)})(/.*)?`
    case 5:
      return `/[a-c]{1,3}/${r.pick(WORDS)}\\?q=.*`
    case 6:
      return '/.*'
    default:
      return path
  }
}

function httpMatch(r: Random): HttpMatch {
  const headers = Array.from({ length: r.chance(0.35) ? 1 + r.below(2) : 0 }, () => ({
    name: r.pick(HEADERS),
    ...(r.chance(0.8) ? { value: r.pick(VALUES) } : {}),
  }))
  return {
    source: SOURCE,
    ...(r.chance(0.7) ? { method: r.pick(METHODS) } : {}),
    ...(r.chance(0.9) ? { path: pathPattern(r) } : {}),
    ...(r.chance(0.2) ? { host: r.pick(HOSTS) } : {}),
    headers,
  }
}

/** As a MeshPolicy asks. */
function conditionMatch(r: Random): HttpMatch {
  return { source: SOURCE, headers: [], condition: generatedCondition(r) }
}

function rule(r: Random, port: number): Rule {
  const peers = r.pick<Rule['peers']>([
    null,
    null,
    null,
    null,
    [{ kind: 'endpoints', selector: inNamespace('app', 'web') }],
    [{ kind: 'endpoints', selector: inNamespace('team', 'x', null) }],
    [{ kind: 'cidr', cidr: '127.1.0.0/16', except: [] }],
    [{ kind: 'cidr', cidr: '127.0.0.0/8', except: ['127.2.0.0/16'] }],
  ])
  const other = port === 65535 ? port - 1 : port + 1
  const exact: Rule['ports'] = [{ protocol: 'TCP', first: port, last: port }]
  const ports = r.pick<Rule['ports']>([
    r.chance(0.3) ? null : exact,
    [{ protocol: 'ANY', first: 1, last: 65535 }],
    r.chance(0.5) ? [{ protocol: 'TCP', first: other, last: other }] : exact,
    exact,
    exact,
  ])
  const http =
    r.chance(0.97) && ports !== null
      ? Array.from({ length: 1 + r.below(6) }, () => (r.chance(0.2) ? conditionMatch(r) : httpMatch(r)))
      : null
  return { source: SOURCE, peers, ports, http }
}

function policy(r: Random, port: number, index: number): Policy {
  return {
    name: `p${index}`,
    namespace: 'default',
    source: SOURCE,
    subject: r.pick([inNamespace('app', 'api'), inNamespace('tier', 'back'), inNamespace('app', 'web')]),
    unparsed: r.chance(0.15) ? 'pass' : 'refuse',
    selects: r.chance(0.95),
    allow: Array.from({ length: 1 + r.below(3) }, () => rule(r, port)),
    deny: denials(r, port),
  }
}

/** Of connections, seldom; of requests. */
function denials(r: Random, port: number): Rule[] {
  const requests = r.chance(0.25)
    ? [rule(r, port)].map((each) => ({ ...each, http: [conditionMatch(r)] }))
    : []
  return r.chance(0.05) ? [...requests, { ...rule(r, port), http: null }] : requests
}

export function generatedSet(r: Random, port: number): PolicySet {
  return { policies: Array.from({ length: 1 + r.below(3) }, (_, i) => policy(r, port, i)), routes: [] }
}

/** The same with mirrors, which change no verdict: of what rules allow or deny, or of all. To no service of the node. */
export function mirroredSet(r: Random, set: PolicySet): PolicySet {
  let names = 0
  // Each to a place of its own: what goes to one place twice goes there once.
  const to = () => ({ namespace: 'n', name: `nobody-${++names}`, port: 80 })
  const policies = set.policies.map((one) => {
    const rules = [...one.allow, ...one.deny]
    const mirrors = Array.from({ length: r.below(3) }, () => {
      const rule = rules.length > 0 && r.chance(0.8) ? r.pick(rules) : undefined
      const http = rule?.http ?? [{ source: one.source, headers: [] }]
      const mirror = { to: to(), ratio: 1_000_000 }
      return { source: one.source, peers: rule?.peers ?? null, ports: rule?.ports ?? null, http, mirror }
    })
    return { ...one, mirrors }
  })
  return { ...set, policies }
}

/* ---- requests ---- */

const BREAKS: ((head: string) => string)[] = [
  (h) => h.replace('\r\n', '\n'),
  (h) => h.replace('Host:', 'Host :'),
  (h) => h.replace('\r\n', '\r\n folded\r\n'),
  (h) => h.replace(' HTTP/1.1', '  HTTP/1.1'),
  (h) => h.replace('HTTP/1.1', 'HTTP/1.2'),
  (h) => h.replace('\r\n\r\n', '\r\nX-Nul: a\0b\r\n\r\n'),
  (h) => h.replace('\r\n\r\n', '\r\nTransfer-Encoding: gzip\r\n\r\n'),
  (h) => h.replace('\r\n\r\n', '\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n'),
  (h) => h.replace('\r\n\r\n', '\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n'),
  (h) => h.replace('\r\n\r\n', `\r\nX-Long: ${'v'.repeat(17000)}\r\n\r\n`),
  (h) => h.replace('\r\n\r\n', `\r\n${'X-Many: v\r\n'.repeat(2000)}\r\n`),
  (h) => h.replace(' HTTP/1.1', `/${'p'.repeat(16500)} HTTP/1.1`),
  (h) => h.replace(/Host: .*\r\n/, ''),
  (h) => h.replace('\r\n\r\n', '\r\nContent-Length: +1\r\n\r\n'),
  () => '\x16\x03\x01\x02\x00\x01\x00',
  () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  () => '\0\0\0\x12\x03\x01',
  () => 'SSH-2.0-OpenSSH_9.2p1\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
]

function target(r: Random, set: PolicySet): string {
  const patterns = set.policies.flatMap((p) =>
    p.allow.flatMap((a) => a.http?.map((h) => h.path ?? '/x') ?? []),
  )
  const near = patterns.length > 0 && r.chance(0.7) ? r.pick(patterns) : `/${r.pick(WORDS)}/${r.pick(WORDS)}`
  const text = near
    .replaceAll('.*', () => r.pick(['', '/', 'zz', `/${r.pick(WORDS)}`]))
    .replace('[0-9]+', () => String(r.below(5000)))
    .replace('[a-c]{1,3}', () => r.pick(['a', 'ab', 'abc', 'abcd']))
    .replace(/\((.*)\|(.*)\)\((.*)\)\?/, (_, a, b, c) => r.pick([a, b, `${b}${c}`]))
    .replace('\\?', '?')
  return text.startsWith('/') ? text : `/${text}`
}

function chunked(r: Random): string {
  let out = ''
  for (let i = r.below(4); i > 0; i--) {
    const data = 'd'.repeat(1 + r.below(300))
    out += `${data.length.toString(16)}${r.chance(0.2) ? ';e=1' : ''}\r\n${data}\r\n`
  }
  return `${out}0\r\n${r.chance(0.3) ? 'X-Trailer: t\r\n' : ''}\r\n`
}

function request(r: Random, set: PolicySet): string {
  const method = r.pick(['GET', 'GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'PATCH'])
  const host = r.pick([
    'example.com',
    'a.example',
    'x.b.example:80',
    'www.example.com',
    'a',
    'api7.test',
    'other',
  ])
  const asked = r.chance(0.3) ? nearRequest(r).target : target(r, set)
  const lines = [`${method} ${asked} HTTP/1.1`, `Host: ${host}`]
  const near = r.chance(0.5) ? nearRequest(r) : undefined
  for (const [name, value] of near?.fields ?? []) lines.push(`${name}: ${value}`)
  for (let i = r.below(3); i > 0; i--) {
    const name = r.pick(HEADERS.filter((h) => h !== 'Content-Length'))
    lines.push(
      `${r.chance(0.5) ? name.toLowerCase() : name}:${r.pick([' ', '', '  '])}${r.pick(VALUES)}${r.pick(['', ' '])}`,
    )
  }
  const body = r.below(4)
  if (body === 1) lines.push('Transfer-Encoding: chunked')
  const length = body === 2 ? r.pick([5, 5, 100, 3000]) : 0
  if (body === 2) lines.push(`Content-Length: ${length}`)
  const head = `${lines.join('\r\n')}\r\n\r\n`
  if (body === 1) return head + (r.chance(0.1) ? chunked(r).replace('\r\n', ' \r\n') : chunked(r))
  return head + 'b'.repeat(length)
}

/** A stream of one to four requests on one connection, sometimes ending in damage. */
export function generatedStream(r: Random, set: PolicySet): Buffer {
  const list = Array.from({ length: 1 + r.below(4) }, () => request(r, set))
  if (r.chance(0.25)) list.push(r.pick(BREAKS)(request(r, set)))
  return Buffer.from(list.join(''), 'latin1')
}

/** Cuts a stream where TCP might: whole, in a few places, or into single bytes. */
export function segments(r: Random, stream: Buffer): Buffer[] {
  const style = r.below(4)
  if (style === 0) return [stream]
  if (style === 1 && stream.length < 400) return [...stream].map((byte) => Buffer.of(byte))
  const cuts = Array.from({ length: 1 + r.below(6) }, () => r.below(stream.length)).sort((a, b) => a - b)
  return [0, ...cuts].map((from, i, all) => stream.subarray(from, all[i + 1])).filter((s) => s.length > 0)
}
