/** What a trace says of one rule, part by part. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Condition } from '../../../pipelines/policy/condition.ts'
import { type ConditionTrace, traceCondition } from '../../../pipelines/policy/condition-trace.ts'
import type { Connection } from '../../../pipelines/policy/evaluate.ts'
import type { HttpMatch, Policy, Rule } from '../../../pipelines/policy/model.ts'
import { tracePolicies } from '../../../pipelines/policy/trace.ts'
import { from, http, policy, request, rule, tcp, workload } from './small-policies.ts'

const exact = (value: string) => ({ kind: 'exact' as const, value })
const ROLE: Condition = { kind: 'header', name: 'x-role', text: exact('admin') }
const FIELDS: [string, string][] = [
  ['Host', 'Api.Example:80'],
  ['X-List', 'a'],
  ['x-list', 'b,c'],
  ['Cookie', 'q=1; p=x=y'],
  ['Content-Type', 'text/plain; charset=UTF-8'],
  ['Content-Encoding', 'br, gzip'],
  ['X-Empty', ''],
  ['X-Accent', 'é'],
]
const one = request('GET', '/admin/x?q=1&q=2&p', FIELDS)

describe('a leaf says what was asked, what was there and whether it holds', () => {
  const TABLE: [condition: Condition, asked: string, seen: string | null, holds: boolean][] = [
    [{ kind: 'method', text: exact('PUT') }, 'method exact PUT', 'GET', false],
    [{ kind: 'path', text: { kind: 'segments', value: '/admin' } }, 'path segments /admin', '/admin/x', true],
    [{ kind: 'path', text: { kind: 'regex', value: '/a' } }, 'path regex /a', '/admin/x', false],
    [{ kind: 'host', value: '*.example' }, 'host *.example', 'Api.Example:80', true],
    [ROLE, 'header x-role exact admin', null, false],
    [{ kind: 'header', name: 'x-role', text: null }, 'header x-role present', null, false],
    [{ kind: 'header', name: 'x-empty', text: null }, 'header x-empty present', '', true],
    [
      { kind: 'header', name: 'x-list', text: { kind: 'prefix', value: 'a,b' } },
      'header x-list prefix a,b',
      'a,b,c',
      true,
    ],
    [{ kind: 'header', name: 'x-accent', text: exact('é') }, 'header x-accent exact é', 'Ã©', true],
    [{ kind: 'query', name: 'q', text: exact('2') }, 'query q exact 2', '1', false],
    [{ kind: 'query', name: 'p', text: null }, 'query p present', '', true],
    [{ kind: 'query', name: 'r', text: null }, 'query r present', null, false],
    [{ kind: 'cookie', name: 'p', text: { kind: 'suffix', value: '=y' } }, 'cookie p suffix =y', 'x=y', true],
    [
      { kind: 'media-type', value: 'application/*' },
      'media-type application/*',
      'text/plain; charset=UTF-8',
      false,
    ],
    [{ kind: 'charset', value: 'utf-8' }, 'charset utf-8', 'text/plain; charset=UTF-8', true],
    [{ kind: 'content-coding', value: 'gzip' }, 'content-coding gzip', 'br, gzip', true],
  ]
  for (const [condition, asked, seen, holds] of TABLE)
    test(`${asked}: ${seen ?? 'absent'}`, () =>
      assert.deepEqual(traceCondition(condition, one), { kind: 'asked', asked, seen, holds }))
})

describe('a condition is told to its last leaf', () => {
  const yes: Condition = { kind: 'method', text: exact('GET') }
  const role = traceCondition(ROLE, one)
  const get = traceCondition(yes, one)
  const TABLE: [says: string, condition: Condition, trace: ConditionTrace][] = [
    [
      'also behind what does not hold',
      { kind: 'all', of: [ROLE, yes] },
      { kind: 'all', of: [role, get], holds: false },
    ],
    [
      'also behind what holds',
      { kind: 'any', of: [yes, ROLE] },
      { kind: 'any', of: [get, role], holds: true },
    ],
    ['under a not', { kind: 'not', of: ROLE }, { kind: 'not', of: role, holds: true }],
    ['all of nothing holds', { kind: 'all', of: [] }, { kind: 'all', of: [], holds: true }],
    ['any of nothing does not', { kind: 'any', of: [] }, { kind: 'any', of: [], holds: false }],
  ]
  for (const [says, condition, trace] of TABLE)
    test(says, () => assert.deepEqual(traceCondition(condition, one), trace))
})

type Asking = { peer?: Connection['peer']; subject?: Connection['subject']; unparsed?: true }

function traced(policies: Policy[], asking: Asking = {}) {
  const connection: Connection = {
    ...{ subject: workload('api'), peer: workload('web'), peerAddress: '192.0.2.1' },
    ...{ port: 80, protocol: 'TCP' },
    ...asking,
  }
  return tracePolicies({ policies, routes: [] }, connection, asking.unparsed ? 'unparsed' : one)
}

describe('a rule says whether it applies, and which end does not hold', () => {
  const ports = (list: Rule['ports']): Partial<Rule> => ({ ports: list })
  const range = [{ protocol: 'UDP' as const, first: 53, last: 60 }, ...tcp(81)]
  const cidr: Rule['peers'] = [{ kind: 'cidr', cidr: '192.0.0.0/8', except: ['192.0.2.0/24'] }]
  const WEB = 'app=web in default'
  const yes = { from: `from everyone: ${WEB} true`, to: 'to any port: 80/TCP true' }
  const TABLE: [says: string, parts: Partial<Rule>, asking: Asking, from: string, to: string][] = [
    ['everyone, any port', {}, {}, yes.from, yes.to],
    ['another peer', { peers: from('ops') }, {}, `from app=ops in default: ${WEB} false`, yes.to],
    ['no peer', { peers: [] }, {}, `from no one: ${WEB} false`, yes.to],
    [
      'one of two peers',
      { peers: [...from('ops'), ...from('web')] },
      {},
      `from app=ops in default or app=web in default: ${WEB} true`,
      yes.to,
    ],
    [
      'an address',
      { peers: cidr },
      { peer: undefined },
      'from 192.0.0.0/8 without 192.0.2.0/24: 192.0.2.1 false',
      yes.to,
    ],
    ['no labels', {}, { peer: { namespace: 'n', labels: {} } }, 'from everyone: no labels in n true', yes.to],
    ['other ports', ports(range), {}, yes.from, 'to 53-60/UDP or 81/TCP: 80/TCP false'],
    ['no port', ports([]), {}, yes.from, 'to no port: 80/TCP false'],
  ]
  for (const [says, parts, asking, fromText, to] of TABLE)
    test(says, () => {
      const match = http(7, { method: 'GET' })
      const [met] = traced([policy({ allow: [rule(5, { http: [match], ...parts })] })], asking)
      const [found] = met?.rules ?? []
      assert.ok(found)
      const ends = [found.peers, found.ports].map((each) => `${each.asked}: ${each.seen} ${each.holds}`)
      assert.deepEqual(ends, [fromText, to])
      const applies = !ends.some((end) => end.endsWith('false'))
      assert.deepEqual([found.applies, found.matches?.length], [applies, applies ? 1 : undefined])
    })
})

describe('a rule says what it is and what its matches found', () => {
  const only = (parts: Partial<Rule>, asking: Asking = {}) =>
    traced([policy({ deny: [rule(5, parts)] })], asking)[0]?.rules[0]

  test('its place, its action and its reason', () => {
    const { source, action, why, judges, matches } = only({ reason: 'closed at night' }) ?? {}
    assert.deepEqual(
      [source?.line, action, why, judges, matches],
      [5, 'deny', 'closed at night', 'connections', null],
    )
  })
  test('no request, nothing asked of it', () => {
    const found = only({ http: [http(7, {})] }, { unparsed: true })
    assert.deepEqual([found?.judges, found?.applies, found?.matches], ['requests', true, null])
  })
  const MATCHES: [match: Partial<HttpMatch>, parts: string[], holds: boolean][] = [
    [{}, [], true],
    [
      { method: 'GET|PUT', path: '/admin/x', host: 'api.*' },
      [
        'method regex GET|PUT: GET true',
        'path regex /admin/x: /admin/x?q=1&q=2&p false',
        'host regex api.*: Api.Example:80 false',
      ],
      false,
    ],
    [
      { headers: [{ name: 'X-List', value: 'a,b,c' }, { name: 'X-Role' }] },
      ['header X-List exact a,b,c: a,b,c true', 'header X-Role present: null false'],
      false,
    ],
    [{ condition: { kind: 'not', of: ROLE } }, ['not true'], true],
    [
      { method: 'GET', condition: ROLE },
      ['method regex GET: GET true', 'header x-role exact admin: null false'],
      false,
    ],
  ]
  for (const [match, parts, holds] of MATCHES)
    test(JSON.stringify(match), () => {
      const [found] = only({ http: [http(7, match)] })?.matches ?? []
      const told = found?.parts.map((part) =>
        part.kind === 'asked' ? `${part.asked}: ${part.seen} ${part.holds}` : `${part.kind} ${part.holds}`,
      )
      assert.deepEqual([found?.source.line, told, found?.holds], [7, parts, holds])
    })
  test('a host is absent where none was sent', () => {
    const bare = request('GET', '/', [])
    const connection = { subject: workload('api'), peer: undefined, peerAddress: '', port: 80 }
    const policies = [policy({ allow: [rule(5, { http: [http(7, { host: '.*' })] })] })]
    const [met] = tracePolicies({ policies, routes: [] }, { ...connection, protocol: 'TCP' }, bare)
    assert.deepEqual(met?.rules[0]?.matches?.[0]?.parts, [
      { kind: 'asked', asked: 'host regex .*', seen: null, holds: false },
    ])
  })
})

test('a policy says for whom it speaks; of others its rules are not asked', () => {
  const found = (asking: Asking) => {
    const [met] = traced(
      [policy({ name: 'q', selects: false, unparsed: 'pass', allow: [rule(5, {})] })],
      asking,
    )
    const { subject, rules, ...rest } = met ?? assert.fail()
    return [subject.seen, subject.holds, rules.length, rest]
  }
  const of = {
    ...{ policy: 'q', namespace: 'default', source: { file: 'p.yaml', line: 1, column: 1 } },
    ...{ selects: false, unparsed: 'pass' },
  }
  assert.deepEqual(found({}), ['app=api in default', true, 1, of])
  assert.deepEqual(found({ subject: workload('db') }), ['app=db in default', false, 0, of])
  assert.deepEqual(found({ subject: undefined }), [null, false, 0, of])
})

test('rules that deny come first', () => {
  const [met] = traced([policy({ allow: [rule(3, {})], deny: [rule(9, {})] })])
  assert.deepEqual(
    met?.rules.map(({ source, action }) => [source.line, action]),
    [
      [9, 'deny'],
      [3, 'allow'],
    ],
  )
})

test('an expression that is none fails closed, with its code', () => {
  const bad: Condition = { kind: 'path', text: { kind: 'regex', value: '(' } }
  assert.throws(() => traceCondition(bad, one), { code: 'expression-invalid' })
})
