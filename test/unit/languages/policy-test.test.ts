/** `heddle.dev/v1 PolicyTest`: what is read, and what is refused and where. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { readYaml } from '../../../functions/adapters/yaml-source.ts'
import { loadPolicies, readPolicies, type TextFile } from '../../../functions/validate/load-policies.ts'
import { MAX_CASES, readPolicyFiles } from '../../../pipelines/languages/policy-files.ts'
import { askService, casesOf, document, GET, POLICY, ROUTE, TO } from './case-text.ts'
import { accepted, file, refused, SUBJECT } from './cilium-text.ts'

const README = new URL('../../../../pipelines/languages/tests/README.md', import.meta.url)
const DENY = 'expect: {verdict: deny}'
const CASE = `{name: n, ${GET}, ${TO}, ${DENY}}`

test('a case of each kind is read with all its fields, and those that are left out', () => {
  const asked = [
    `{name: in, request: {line: GET /a, headers: {X-A: "1", x-b: [c, d]}}, from: {labels: {app: web}, namespace: other}, to: {labels: {app: api}, port: 8080}, expect: {verdict: deny, status: 403, reason: denied-by-rule, policy: p, line: 7}}`,
    `{name: bare, connect: true, ${TO}, expect: {verdict: drop}}`,
    `{name: out, request: {line: GET /a}, from: {labels: {}}, service: {name: a, namespace: shop, port: 81}, random: 0.5, expect: {forward: o/b, port: 8080, path: /x, host: h, requestHeaders: {x: y, z: []}}}`,
    askService('redirect: {status: 302, location: l}'),
    askService('status: 404').replace('name: n', 'name: m'),
  ]
  const at = (line: number) => ({
    test: 't',
    namespace: 'shop',
    source: { file: 't.yaml', line, column: 3 },
  })
  const world = { kind: 'world', address: '192.0.2.1' }
  const request = { line: 'GET /', fields: [] }
  const out = { kind: 'outbound', from: world, request, service: { namespace: 'shop', name: 'a', port: 80 } }
  assert.deepEqual(JSON.parse(JSON.stringify(casesOf(document(asked)))), [
    {
      ...at(5),
      kind: 'inbound',
      name: 'in',
      from: { kind: 'workload', namespace: 'other', labels: { app: 'web' } },
      request: {
        line: 'GET /a',
        fields: [
          ['X-A', '1'],
          ['x-b', 'c'],
          ['x-b', 'd'],
        ],
      },
      to: { labels: { app: 'api' }, port: 8080 },
      expect: { verdict: 'deny', status: 403, reason: 'denied-by-rule', policy: 'p', line: 7 },
    },
    {
      ...at(6),
      kind: 'inbound',
      name: 'bare',
      from: world,
      request: null,
      to: { labels: { app: 'api' }, port: 80 },
      expect: { verdict: 'drop' },
    },
    {
      ...at(7),
      ...out,
      name: 'out',
      from: { kind: 'workload', namespace: 'shop', labels: {} },
      request: { line: 'GET /a', fields: [] },
      service: { namespace: 'shop', name: 'a', port: 81 },
      random: 2 ** 31,
      expect: {
        kind: 'forward',
        service: { namespace: 'o', name: 'b' },
        port: 8080,
        path: '/x',
        host: 'h',
        headers: [
          ['x', ['y']],
          ['z', []],
        ],
      },
    },
    {
      ...at(8),
      ...out,
      name: 'n',
      random: null,
      expect: { kind: 'redirect', status: 302, location: 'l' },
    },
    { ...at(9), ...out, name: 'm', random: null, expect: { kind: 'status', status: 404 } },
  ])
})

describe('a document', () => {
  const TABLE: [string, TextFile, RegExp][] = [
    ['without a name', document([CASE], '{namespace: a}'), /^t.yaml:3:11 schema-violation `metadata.name`/],
    ['with more than a name', document([CASE], '{name: t, labels: {}}'), /^t.yaml:3:\d+ unknown-field/],
    ['without cases', document([' '].slice(1)), /^t.yaml:4:1 schema-violation `cases`/],
    [
      'with two cases of one name',
      document([CASE, CASE]),
      /^t.yaml:6:4 schema-violation .* already at line 5 \|/,
    ],
    [
      'with more than 1024 cases',
      document(Array.from({ length: 1025 }, (_, index) => CASE.replace('name: n', `name: n${index}`))),
      /^t.yaml:4:1 schema-violation `cases`/,
    ],
    [
      'of another version',
      { ...document([CASE]), text: document([CASE]).text.replace('/v1', '/v2') },
      /^t.yaml:2:1 unsupported-kind heddle.dev\/v2 PolicyTest/,
    ],
    [
      'of another kind',
      { ...document([CASE]), text: document([CASE]).text.replace('PolicyTest', 'PolicyTests') },
      /^t.yaml:2:1 unsupported-kind heddle.dev\/v1 PolicyTests/,
    ],
  ]
  for (const [says, text, expected] of TABLE)
    test(`${says} is refused`, () => {
      const found = refused(text)
      assert.ok(
        found.some((line) => expected.test(line)),
        found.join('\n'),
      )
    })
  test('has one place', () => {
    const found = refused(document([CASE]), document([CASE], undefined, 'u.yaml'))
    assert.deepEqual(found, [
      'u.yaml:1:1 duplicate-policy PolicyTest shop/t is already at t.yaml:1 | give it another name, or remove one',
    ])
  })
  test('may stand beside policies, and be of the namespace default', () => {
    const { text } = document([CASE], '{name: p}')
    const both = { path: 'p.yaml', text: `${file(SUBJECT).text}---\n${text}` }
    assert.equal(accepted(both).length, 1)
    assert.deepEqual(
      casesOf(both).map(({ namespace, test: name, source }) => [namespace, name, source.line]),
      [['default', 'p', 11]],
    )
  })
})

test("the README's example is read", () => {
  const text = readFileSync(README, 'utf8').split('```yaml\n')[1]?.split('```')[0] ?? ''
  assert.deepEqual(
    casesOf({ path: 'readme.yaml', text }).map(({ kind }) => kind),
    ['inbound', 'inbound', 'outbound'],
  )
})

describe('tenancy', () => {
  const TENANTS = { path: 'tenants.yaml', text: 'tenants: [{path: team, namespaces: [shop]}]' }
  const inTeam = (text: string, namespace = 'shop') =>
    document([text], `{name: t, namespace: ${namespace}}`, 'team/t.yaml')
  const outside = `{name: n, ${GET}, service: {name: a, namespace: pay}, expect: {forward: pay/a}}`
  test('a document asks whom its path may speak for', () => {
    assert.equal(casesOf(TENANTS, inTeam(CASE)).length, 1)
    assert.match(refused(TENANTS, inTeam(CASE, 'pay')).join('\n'), /^team\/t.yaml:1:1 tenancy-violation/)
  })
  test("nobody stops another team's push: its services are not asked either", () => {
    assert.equal(casesOf(inTeam(outside)).length, 1)
    assert.match(refused(TENANTS, inTeam(outside)).join('\n'), /^team\/t.yaml:1:1 tenancy-violation .*`pay`/)
  })
})

test('as many cases as there may be, and not one more', () => {
  const cases = (count: number) => {
    const { path, text } = document(
      Array.from({ length: count }, (_, index) => CASE.replace('name: n', `name: n${index}`)),
    )
    const read = readYaml(path, text)
    return 'documents' in read ? read.documents : []
  }
  const full = new Array(MAX_CASES / 1024).fill(cases(1024)).flat()
  const loaded = readPolicyFiles([{ path: 't.yaml', documents: full }])
  // One document again and again is one name.
  assert.ok('set' in loaded && loaded.cases.length === MAX_CASES)
  const more = readPolicyFiles([{ path: 't.yaml', documents: [...full, ...cases(1)] }])
  assert.ok('findings' in more)
  assert.deepEqual(
    more.findings.map(({ line, code }) => `${line} ${code}`),
    ['1 limit-exceeded'],
  )
})

test('cases change nothing of what is read', () => {
  const right = `{name: n, connect: true, ${TO}, expect: {verdict: drop}}`
  const without = loadPolicies([POLICY, ROUTE])
  assert.ok('set' in without)
  assert.deepEqual(loadPolicies([POLICY, document([right]), ROUTE]), without)
  assert.ok('findings' in loadPolicies([POLICY, document([CASE]), ROUTE]), 'and are asked')
  assert.ok('set' in readPolicies([POLICY, document([CASE]), ROUTE]), 'by whoever wants them to hold')
})
