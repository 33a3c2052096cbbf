/** `heddle explain --to`: the rules under the verdict. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { metLines, placedIn } from '../../../infra/cli/explain-met.ts'
import { headLines } from '../../../infra/cli/trace-text.ts'
import { utf8 } from '../../../pipelines/bytes.ts'
import type { Condition } from '../../../pipelines/policy/condition.ts'
import type { Policy } from '../../../pipelines/policy/model.ts'
import { tracePolicies } from '../../../pipelines/policy/trace.ts'
import { from, http, policy, request, rule, tcp, workload } from '../policy/small-policies.ts'

const connection = {
  ...{ subject: workload('api'), peer: workload('web'), peerAddress: '192.0.2.1' },
  ...{ port: 80, protocol: 'TCP' as const },
}
const ASKED = request('GET', '/admin', [
  ['Host', 'x'],
  ['X-A', '\u001b[2Jé'],
  ['X-Long', 'v'.repeat(101)],
])
const policiesMet = (policies: Policy[]) => tracePolicies({ policies, routes: [] }, connection, ASKED)
const lines = (policies: Policy[], all = false) => metLines(policiesMet(policies), { all })

const method = (value: string): Condition => ({ kind: 'method', text: { kind: 'exact', value } })
const GET = method('GET')
const PUT = method('PUT')
const ADMIN: Condition = { kind: 'path', text: { kind: 'segments', value: '/admin' } }

describe('a match is told by what its result hangs on', () => {
  const TABLE: [condition: Condition, said: string][] = [
    [GET, 'yes p.yaml:7  method exact GET: GET'],
    [{ kind: 'all', of: [GET, ADMIN] }, 'yes p.yaml:7  method exact GET: GET; path segments /admin: /admin'],
    [{ kind: 'all', of: [GET, PUT, method('POST')] }, 'no  p.yaml:7  method exact PUT: GET'],
    [{ kind: 'any', of: [PUT, GET, ADMIN] }, 'yes p.yaml:7  method exact GET: GET'],
    [
      { kind: 'any', of: [PUT, method('POST')] },
      'no  p.yaml:7  method exact PUT: GET; method exact POST: GET',
    ],
    [{ kind: 'not', of: GET }, 'no  p.yaml:7  not method exact GET: GET'],
    [{ kind: 'not', of: { kind: 'any', of: [PUT] } }, 'yes p.yaml:7  not method exact PUT: GET'],
    [{ kind: 'any', of: [] }, 'no  p.yaml:7  any of nothing'],
    [{ kind: 'header', name: 'x-role', text: null }, 'no  p.yaml:7  header x-role present: absent'],
    [
      { kind: 'header', name: 'x-a', text: { kind: 'exact', value: 'é' } },
      'no  p.yaml:7  header x-a exact \\xc3\\xa9: \\x1b[2J\\xc3\\xa9',
    ],
    [
      { kind: 'header', name: 'x-long', text: null },
      `yes p.yaml:7  header x-long present: ${'v'.repeat(100)}... (101 bytes)`,
    ],
  ]
  for (const [condition, said] of TABLE)
    test(said.slice(0, 60), () =>
      assert.deepEqual(lines([policy({ allow: [rule(5, { http: [http(7, { condition })] })] })]), [
        '  allow requests default/p p.yaml:5',
        `    ${said}`,
      ]),
    )
})

const POLICIES = [
  policy({
    allow: [
      rule(3, { ports: tcp(81) }),
      rule(4, { http: [http(5, { condition: { kind: 'not', of: GET } })] }),
    ],
    deny: [rule(8, { peers: from('ops'), reason: 'no  operators\nhere' }), rule(9, { reason: 'closed' })],
  }),
  policy({ name: 'q', subject: { namespaces: ['n'], requirements: [] }, allow: [rule(2, {})] }),
]

test('rules that apply are told, with their reasons', () =>
  assert.deepEqual(lines(POLICIES), [
    '  deny connections default/p p.yaml:9 (closed)',
    '  allow requests default/p p.yaml:4',
    '    no  p.yaml:5  not method exact GET: GET',
  ]))

test('with all, also those that do not apply, and why', () =>
  assert.deepEqual(lines(POLICIES, true), [
    '  deny connections default/p p.yaml:8 (no operators here)',
    '    no  from app=ops in default: app=web in default',
    '    yes to any port: 80/TCP',
    '  deny connections default/p p.yaml:9 (closed)',
    '    yes from everyone: app=web in default',
    '    yes to any port: 80/TCP',
    '  allow connections default/p p.yaml:3',
    '    yes from everyone: app=web in default',
    '    no  to 81/TCP: 80/TCP',
    '  allow requests default/p p.yaml:4',
    '    yes from everyone: app=web in default',
    '    yes to any port: 80/TCP',
    '    no  p.yaml:5',
    '      no  not',
    '        yes method exact GET: GET',
    '  default/q p.yaml:1',
    '    no  for all workloads in n: app=api in default',
  ]))

test('where no rule applies it is said how many could have', () => {
  const none = policy({ allow: [rule(3, { ports: tcp(81) }), rule(4, { peers: from('ops') })] })
  assert.deepEqual(lines([none]), ['  no rule of 2 applies to the connection; --all says why'])
  assert.deepEqual(lines([policy({})]), [])
})

test('files are named as the caller named them', () => {
  const [met] = placedIn('dir', policiesMet(POLICIES))
  const places = met?.rules.flatMap(({ source, matches }) => [
    source,
    ...(matches ?? []).map((m) => m.source),
  ])
  assert.deepEqual(
    [met?.source, ...(places ?? [])].map((source) => `${source?.file}:${source?.line}`),
    [1, 8, 9, 3, 4, 5].map((line) => `dir/p.yaml:${line}`),
  )
})

test('a head is shown with its line ends, and nothing in it can be taken for another byte', () =>
  assert.deepEqual(headLines(utf8('GET /\\x0d\\n HTTP/1.1\r\nA:\té\n\r\n')), [
    'GET /\\\\x0d\\\\n HTTP/1.1\\r\\n',
    'A:\\x09\\xc3\\xa9\\n',
    '\\r\\n',
  ]))

test('an audit is told among the rules met, as its match holds', () => {
  const audits = [
    {
      ...rule(5, { http: [], ports: tcp(80), reason: 'who asks?' }),
      name: 'a',
      http: [http(7, { condition: GET })],
    },
  ]
  assert.deepEqual(lines([policy({ audits })]), [
    '  audit requests default/p p.yaml:5 (who asks?)',
    '    yes p.yaml:7  method exact GET: GET',
  ])
})
