import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TextFile } from '../../../functions/validate/load-policies.ts'
import { MAX_POLICIES, readPolicyFiles } from '../../../pipelines/languages/policy-files.ts'
import { readYaml } from '../../../functions/adapters/yaml-source.ts'
import { accepted, file, only, refused, SUBJECT } from './cilium-text.ts'

describe('files', () => {
  test('several documents and specs', () => {
    const one = file(`${SUBJECT}  ingress: [{}]\n`).text
    const two = `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: q, namespace: shop}\nspecs:\n- endpointSelector: {}\n  ingress: [{}]\n- endpointSelector: {}\n  ingress: [{}]\n`
    const policies = accepted({ path: 'p.yaml', text: `${one}---\n${two}` })
    assert.deepEqual(
      policies.map(({ name, namespace, subject }) => [name, namespace, subject.namespaces]),
      [
        ['p', 'default', ['default']],
        ['q', 'shop', ['shop']],
        ['q', 'shop', ['shop']],
      ],
    )
  })
  test('what is not HTTP/1 is refused unless the annotation lets it pass', () => {
    const annotated = (value: string) =>
      file(SUBJECT, 'p.yaml', `{name: p, annotations: {heddle.dev/unparsed: ${value}}}`)
    assert.equal(only(file(SUBJECT)).unparsed, 'refuse')
    assert.equal(only(annotated('pass')).unparsed, 'pass')
    assert.match(
      refused(annotated('maybe'))[0] as string,
      /:3:\d+ schema-violation .* \| write pass or refuse$/,
    )
  })
  test('a policy has one place', () => {
    assert.deepEqual(refused(file(SUBJECT, 'a.yaml'), file(SUBJECT, 'b.yaml')).slice(-1), [
      'b.yaml:4:1 duplicate-policy policy default/p is already at a.yaml:1 | give it another name, or remove one',
    ])
  })
})

test('as many policies as there may be, and not one more', () => {
  const { path, text } = file(SUBJECT)
  const read = readYaml(path, text)
  const [document] = 'documents' in read ? read.documents : []
  assert.ok(document)
  // One place again and again is one policy with several specs, and cheap.
  const full = { path, documents: new Array<typeof document>(MAX_POLICIES).fill(document) }
  assert.ok('set' in readPolicyFiles([full]))
  const more = readPolicyFiles([{ path, documents: [...full.documents, document] }])
  assert.ok('findings' in more)
  assert.deepEqual(
    more.findings.map(({ line, column, code }) => `${line}:${column} ${code}`),
    ['1:1 limit-exceeded'],
  )
})

describe('tenancy', () => {
  const tenants = (text: string): TextFile => ({ path: 'tenants.yaml', text })
  const TENANTS = tenants(
    'tenants:\n- {path: teams/pay, namespaces: [pay, pay-test]}\n- {path: teams/pay/tests, namespaces: [pay-test]}\n',
  )
  const policy = (path: string, namespace: string) =>
    file(SUBJECT, path, `{name: p, namespace: ${namespace}}`)
  const TABLE: [string, string, boolean][] = [
    ['teams/pay/a.yaml', 'pay', true],
    ['teams/pay/deep/a.yaml', 'pay-test', true],
    ['teams/pay/a.yaml', 'shop', false],
    ['teams/pay/tests/a.yaml', 'pay', false],
    ['teams/pay/tests/a.yaml', 'pay-test', true],
    ['teams/payments/a.yaml', 'pay', false],
    ['a.yaml', 'pay', false],
    ['teams/pay/../x.yaml', 'shop', false],
  ]
  for (const [path, namespace, allowed] of TABLE) {
    test(`${path} ${allowed ? 'speaks' : 'may not speak'} for ${namespace}`, () => {
      if (allowed) assert.equal(accepted(TENANTS, policy(path, namespace)).length, 1)
      else assert.match(refused(TENANTS, policy(path, namespace)).at(-1) as string, /tenancy-violation/)
    })
  }
  test('without the file every path speaks for every namespace', () => {
    assert.equal(accepted(policy('x.yaml', 'pay')).length, 1)
  })
  test('a tenants file that is wrong refuses everything', () => {
    for (const text of [
      '',
      'tenants: [{path: /abs, namespaces: [a]}]',
      'tenant: []',
      'tenants: []\n---\ntenants: []',
    ]) {
      assert.notEqual(refused(tenants(text), policy('x.yaml', 'pay')).length, 0)
    }
  })
})
