/** Cases that hold, and what is said of those that do not. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readPolicies } from '../../../functions/validate/load-policies.ts'
import { runCase } from '../../../pipelines/policy/run-case.ts'
import { titleOf } from '../../../pipelines/policy/policy-case.ts'
import { casesOf, document, failures, POLICY } from '../languages/case-text.ts'

const WEB = 'from: {labels: {app: web}}'
const API = 'to: {labels: {app: api}}'
const get = (path: string, more = '') => `request: {line: GET ${path}${more}}`
const inbound = (parts: string, expect: string) => `{name: n, ${parts}, expect: {${expect}}}`

const AUDITS = {
  path: 'audits.yaml',
  text: `apiVersion: heddle.dev/v1
kind: MeshPolicy
metadata: {name: looks-on, namespace: shop}
spec:
  subject: {matchLabels: {app: api}}
  rules:
  - {name: reads, action: audit, ports: [80], match: {method: GET}}
  - {name: admin, action: audit, ports: [80], match: {path: {prefix: /admin}}}
`,
}

describe('cases say which rules audit a request', () => {
  const TABLE: [expect: string, path: string, failure: RegExp | undefined][] = [
    ['verdict: allow, audit: [reads]', '/public', undefined],
    ['verdict: deny, audit: [admin, reads]', '/admin', undefined],
    ['verdict: deny, audit: [reads, admin]', '/admin', undefined],
    [
      'verdict: deny, audit: [admin]',
      '/admin',
      /expected deny audited by admin.* deny 403 .* audited by admin, reads/,
    ],
    ['verdict: allow, audit: []', '/public', /expected allow audited by no rule/],
  ]
  for (const [expect, path, failure] of TABLE)
    test(`${path} ${expect}`, () => {
      const told = failures(POLICY, AUDITS, document([inbound(`${get(path)}, ${WEB}, ${API}`, expect)]))
      if (failure === undefined) assert.deepEqual(told, [])
      else assert.match(told.join(), failure)
    })

  test('none of a connection, and none that is dropped', () => {
    const wrong = [
      inbound(`connect: true, ${WEB}, ${API}`, 'verdict: allow, audit: []'),
      inbound(`${get('/')}, ${API}`, 'verdict: drop, audit: [reads]'),
    ]
    for (const [index, said] of [
      /no request is sent, so no rule sees one/,
      /a dropped request is not audited/,
    ].entries()) {
      const loaded = readPolicies([POLICY, AUDITS, document([wrong[index] as string])])
      assert.ok(!('set' in loaded))
      assert.match(loaded.findings.map(({ message }) => message).join(), said)
    }
  })
})

const HOLDS: [string, string][] = [
  ['allowed', inbound(`${get('/public')}, ${WEB}, ${API}`, 'verdict: allow')],
  [
    'allowed, why and by which line',
    inbound(
      `${get('/public')}, ${WEB}, ${API}`,
      'verdict: allow, reason: request-matches, policy: api, line: 12',
    ),
  ],
  ['the port is 80 where none is given', inbound(`connect: true, ${WEB}, ${API}`, 'verdict: allow')],
  ['denied', inbound(`${get('/admin')}, ${WEB}, ${API}`, 'verdict: deny, status: 403')],
  [
    'denied, why and by which line',
    inbound(
      `${get('/admin')}, ${WEB}, ${API}`,
      'verdict: deny, reason: no-request-rule-matches, policy: api, line: 9',
    ),
  ],
  ['another method', inbound(`request: {line: PUT /public}, ${WEB}, ${API}`, 'verdict: deny')],
  ['a header', inbound(`${get('/keyed', ', headers: {x-key: "a,b"}')}, ${WEB}, ${API}`, 'verdict: allow')],
  [
    'a repeated header, in order',
    inbound(`${get('/keyed', ', headers: {x-key: [a, b]}')}, ${WEB}, ${API}`, 'verdict: allow'),
  ],
  [
    'a host that is given',
    inbound(`${get('/hosted', ', headers: {HOST: shop.example}')}, ${WEB}, ${API}`, 'verdict: allow'),
  ],
  ['the host that is not given is test', inbound(`${get('/by-default')}, ${WEB}, ${API}`, 'verdict: allow')],
  [
    'a workload of another namespace',
    inbound(`connect: true, from: {labels: {app: ops}, namespace: office}, ${API}`, 'verdict: allow'),
  ],
  [
    "the asker's namespace is that of the test where none is given",
    inbound(`connect: true, from: {labels: {app: ops}}, ${API}`, 'verdict: drop'),
  ],
  [
    'the world asks where nobody is named',
    inbound(
      `${get('/public')}, ${API}`,
      'verdict: drop, reason: no-rule-for-peer-and-port, policy: api, line: 4',
    ),
  ],
  [
    'an address that is let in unread',
    inbound(
      'connect: true, from: {address: 203.0.113.1}, to: {labels: {app: api}, port: 9090}',
      'verdict: pass, reason: allowed-l4, line: 17',
    ),
  ],
  [
    'an address of IPv6',
    inbound(
      'connect: true, from: {address: "2001:db8::1"}, to: {labels: {app: api}, port: 9090}',
      'verdict: pass',
    ),
  ],
  [
    'an address that a rule drops',
    inbound(
      'connect: true, from: {address: 203.0.113.9}, to: {labels: {app: api}, port: 9090}',
      'verdict: drop, reason: denied-by-rule, line: 19',
    ),
  ],
  [
    'a workload that nothing selects',
    inbound(`${get('/')}, to: {labels: {app: db}}`, 'verdict: pass, reason: not-selected'),
  ],
]

describe('a case holds', () => {
  for (const [says, text] of HOLDS) test(says, () => assert.deepEqual(failures(POLICY, document([text])), []))
})

const FAILS: [string, string, string][] = [
  [
    'the verdict',
    inbound(`${get('/admin')}, ${WEB}, ${API}`, 'verdict: allow'),
    'expected allow, came deny 403 (no-request-rule-matches) by policy shop/api at api.yaml:9',
  ],
  [
    'pass is not allow',
    inbound(`${get('/')}, to: {labels: {app: db}}`, 'verdict: allow'),
    'expected allow, came pass (not-selected)',
  ],
  [
    'drop is not deny',
    inbound(`${get('/')}, ${API}`, 'verdict: deny, status: 403'),
    'expected deny 403, came drop (no-rule-for-peer-and-port) by policy shop/api at api.yaml:4',
  ],
  [
    'a connection whose requests are judged',
    inbound(`connect: true, ${WEB}, ${API}`, 'verdict: drop'),
    'expected drop, came allow (its requests are judged)',
  ],
  [
    'the status',
    inbound(`${get('/')}, ${WEB}, ${API}`, 'verdict: deny, status: 429'),
    'expected deny 429, came deny 403 (no-request-rule-matches) by policy shop/api at api.yaml:9',
  ],
  [
    'the reason',
    inbound(`${get('/')}, ${WEB}, ${API}`, 'verdict: deny, reason: denied-by-rule'),
    'expected deny (denied-by-rule), came deny 403 (no-request-rule-matches) by policy shop/api at api.yaml:9',
  ],
  [
    'the policy',
    inbound(`${get('/public')}, ${WEB}, ${API}`, 'verdict: allow, policy: other'),
    'expected allow by policy other, came allow (request-matches) by policy shop/api at api.yaml:12',
  ],
  [
    'a policy where none decides',
    inbound(`${get('/')}, to: {labels: {app: db}}`, 'verdict: pass, policy: api'),
    'expected pass by policy api, came pass (not-selected)',
  ],
  [
    'the line',
    inbound(`${get('/public')}, ${WEB}, ${API}`, 'verdict: allow, line: 13'),
    'expected allow at line 13, came allow (request-matches) by policy shop/api at api.yaml:12',
  ],
]

describe('a case fails, and it is said what came instead:', () => {
  for (const [says, text, expected] of FAILS) {
    test(says, () =>
      assert.deepEqual(failures(POLICY, document([text])), [
        `t.yaml:5:3 policy-test-failed \`n\`: ${expected}`,
      ]),
    )
  }
})

test('every case that fails is told, in the order of files and lines', () => {
  const wrong = (name: string) => `{name: ${name}, connect: true, ${API}, expect: {verdict: pass}}`
  const right = `{name: right, connect: true, ${API}, expect: {verdict: drop}}`
  const told = failures(
    document([wrong('c')], '{name: two, namespace: shop}', 'z.yaml'),
    POLICY,
    document([wrong('a'), right, wrong('b')], '{name: one, namespace: shop}', 'a.yaml'),
  )
  assert.deepEqual(
    told.map((line) => line.split(':').slice(0, 2).join(':')),
    ['a.yaml:5', 'a.yaml:7', 'z.yaml:5'],
  )
})

test('a connection whose requests are judged has no rule that decides, whatever becomes of other protocols', () => {
  const unparsed = POLICY.text.replace('{name: api,', '{name: api, annotations: {heddle.dev/unparsed: pass},')
  const text = inbound(`connect: true, ${WEB}, ${API}`, 'verdict: drop')
  assert.deepEqual(failures({ ...POLICY, text: unparsed }, document([text])), [
    't.yaml:5:3 policy-test-failed `n`: expected drop, came allow (its requests are judged)',
  ])
})

test('warnings are told beside cases that fail', () => {
  const idle = { path: 'idle.yaml', text: POLICY.text.split('  ingress:')[0] ?? '' }
  const codes = failures(idle, document([`{name: n, connect: true, ${API}, expect: {verdict: drop}}`]))
  assert.deepEqual(
    codes.map((line) => line.split(' ')[1]),
    ['suspicious-rule', 'policy-test-failed'],
  )
})

test('what decides is told apart from the words, for whoever names files otherwise', () => {
  const set = { policies: [], routes: [] }
  const [inside] = casesOf(document([`{name: n, connect: true, ${API}, expect: {verdict: pass}}`]))
  assert.ok(inside)
  assert.equal(titleOf(inside), 'shop/t: n')
  assert.deepEqual(runCase(set, inside), {
    holds: true,
    expected: 'pass',
    came: 'pass (not-selected)',
    deciding: null,
  })
})
