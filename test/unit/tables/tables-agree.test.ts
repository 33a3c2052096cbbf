import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseAddress } from '../../../pipelines/policy/address.ts'
import { evaluate } from '../../../pipelines/policy/evaluate.ts'
import { type HttpMatch, PolicySet } from '../../../pipelines/policy/model.ts'
import { selectorMatches } from '../../../pipelines/policy/selector.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import { buildTables, type Tables } from '../../../pipelines/tables/build-tables.ts'
import { TablesWalker } from '../../../pipelines/tables/walk.ts'

const source = { file: 'p.yaml', line: 1, column: 1 }
const encode = (text: string) => new TextEncoder().encode(text)
const SEED = 20_260_103
const POLICIES = process.env['HEDDLE_DEEP'] ? 20_000 : 48
const PROTOCOLS = { TCP: 6, UDP: 17, SCTP: 132 } as const

const labels = fc.constantFrom({ app: 'a' }, { app: 'b' }, { app: 'a', tier: 'x' })
const workload = labels.map((of) => ({ namespace: 'n', labels: of as Record<string, string> }))
const selector = fc.constantFrom('a', 'b', 'c').map((value) => ({
  namespaces: ['n'],
  requirements: [{ key: 'app', operator: 'In' as const, values: [value] }],
}))
const cidr = fc.constantFrom(
  ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3/32'],
  ['10.1.2.0/23'],
  ['0.0.0.0/0', '10.0.0.0/8'],
  ['0.0.0.0/0'],
  ['10.1.2.3/32'],
  ['2001:db8::/33', '2001:db8:1::/48'],
  ['::/0', '2001:db8::1/128'],
  ['2001:db8::1/128'],
)
const peer = fc.oneof(
  selector.map((of) => ({ kind: 'endpoints' as const, selector: of })),
  cidr.map(([first = '', ...except]) => ({ kind: 'cidr' as const, cidr: first, except })),
)
const ports = fc.constantFrom(
  { protocol: 'TCP' as const, first: 80, last: 80 },
  { protocol: 'ANY' as const, first: 443, last: 8080 },
  { protocol: 'UDP' as const, first: 1, last: 65_535 },
  { protocol: 'SCTP' as const, first: 65_535, last: 65_535 },
)
const PATHS = [
  '/',
  '/a',
  '/a/.*',
  '.*/admin',
  '.*/admin/.*',
  '/[a-c]+/x',
  '/a(/.*)?',
  '.*',
  '/.*\\.js',
  '\\*',
  '/a\\b.*',
]
const header = fc.oneof(
  fc.record({
    name: fc.constantFrom('X-A', 'x-a', 'x-b', 'content-length'),
    value: fc.constantFrom('', '1', 'é', 'a b'),
  }),
  fc.record({ name: fc.constantFrom('X-A', 'x-b', 'x-c', 'Host') }),
  fc.record({ name: fc.constant('host'), value: fc.constantFrom('a.example', 'b.example') }),
)
const match: fc.Arbitrary<HttpMatch> = fc.record(
  {
    source: fc.constant(source),
    method: fc.constantFrom('GET', 'GET|POST', 'P.*', '(?i)delete', '.*'),
    path: fc.constantFrom(...PATHS),
    host: fc.constantFrom('a\\.example', '.*\\.example', '.*', '[^.]+'),
    headers: fc.array(header, { maxLength: 2 }),
  },
  { requiredKeys: ['source', 'headers'] },
)
const rule = (http: boolean) =>
  fc.record({
    source: fc.constant(source),
    peers: fc.option(fc.array(peer, { maxLength: 3 })),
    ports: fc.option(fc.array(ports, { minLength: 1, maxLength: 2 })),
    http: http ? fc.option(fc.array(match, { maxLength: 4 }), { freq: 4 }) : fc.constant(null),
  })
const policySet = fc
  .record({
    policies: fc.array(
      fc.record({
        name: fc.constant('p'),
        namespace: fc.constant('n'),
        source: fc.constant(source),
        subject: selector,
        unparsed: fc.constantFrom('refuse' as const, 'pass' as const),
        selects: fc.constantFrom(true, true, true, false),
        allow: fc.array(rule(true), { maxLength: 4 }),
        deny: fc.oneof(
          { weight: 3, arbitrary: fc.constant([]) },
          { weight: 1, arbitrary: fc.array(rule(false), { maxLength: 1 }) },
        ),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  })
  .map((set) => PolicySet.parse({ ...set, routes: [] }))
const field = fc.constantFrom(
  ['Host', 'a.example'],
  ['HOST', 'b.example'],
  ['X-A', '1'],
  ['x-A', ''],
  ['x-a', '1'],
  ['X-B', 'é'],
  ['X-B', 'a b'],
  ['X-C', 'q'],
  ['Content-Length', '1'],
  ['X-Other', '1'],
)
const request: fc.Arbitrary<Request> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'delete', 'G').map(encode),
  target: fc
    .constantFrom(
      '/',
      '/a',
      '/a/',
      '/a/b',
      '/x/admin',
      '/x/admin/y',
      '/ab/x',
      '/q/z.js',
      '*',
      '/a?x=/admin/',
      '/abc',
    )
    .map(encode),
  version: fc.constant('1.1' as const),
  fields: fc
    .uniqueArray(field, {
      maxLength: 4,
      selector: ([name, value]) => (/host/i.test(name ?? '') ? 'host' : `${name}${value}`),
    })
    .map((fields) => fields.map(([name = '', value = '']) => ({ name: encode(name), value: encode(value) }))),
})
const connection = fc.record({
  subject: workload,
  peer: fc.option(workload, { nil: undefined }),
  peerAddress: fc.constantFrom(
    '10.1.2.3',
    '10.2.0.1',
    '11.0.0.1',
    '10.1.3.9',
    '2001:db8::1',
    '2001:db8:1::5',
    'fe80::1',
  ),
  port: fc.constantFrom(1, 79, 80, 443, 8080, 8081, 65_535),
  protocol: fc.constantFrom('TCP' as const, 'TCP' as const, 'UDP' as const, 'SCTP' as const),
})

type Labelled = { namespace: string; labels: Record<string, string> } | undefined

/** Rows as the agent makes them: bit i = the workload is subject (or peer) of block i. */
function rows({ blocks }: Tables, workload: Labelled, part: 'subject' | 'peers'): bigint {
  return blocks.reduce((row, block, index) => {
    const selectors = part === 'subject' ? [block.subject] : block.peers
    const holds =
      selectors === null || (workload && selectors.some((each) => selectorMatches(each, workload)))
    return holds ? row | (1n << BigInt(index)) : row
  }, 0n)
}

const NAMES = { pass: 'pass', 'deny-l4': 'drop', allow: 'allow', 'deny-l7': 'deny' } as const

test(`the walked tables decide as the reference evaluator, on ${POLICIES} generated policy sets`, () => {
  const seen: Record<string, number> = { pass: 0, drop: 0, allow: 0, deny: 0 }
  fc.assert(
    fc.property(
      policySet,
      fc.array(fc.tuple(connection, request), { minLength: 30, maxLength: 30 }),
      (set, asked) => {
        const result = buildTables(set)
        assert.ok(result.ok)
        const walker = new TablesWalker(result.tables.blob)
        for (const [from, what] of asked) {
          const peer = from.peer
            ? rows(result.tables, from.peer, 'peers')
            : walker.world(parseAddress(from.peerAddress) ?? new Uint8Array(4))
          const subject = rows(result.tables, from.subject, 'subject')
          const expected = NAMES[evaluate(set, from, what).kind]
          const judged = walker.judge({ subject, peer }, PROTOCOLS[from.protocol], [from.port, what])
          seen[expected] = (seen[expected] ?? 0) + 1
          assert.equal(judged, expected)
        }
      },
    ),
    { seed: SEED, numRuns: POLICIES, endOnFailure: true },
  )
  for (const [kind, count] of Object.entries(seen)) assert.ok(count > POLICIES / 8, `${kind}: only ${count}`)
})
