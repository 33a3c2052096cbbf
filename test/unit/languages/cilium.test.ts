import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readPolicies } from '../../../functions/validate/load-policies.ts'
import { file, http, ingress, only, rule, SUBJECT } from './cilium-text.ts'

describe('peers', () => {
  const peers = (text: string) => rule(text)?.peers
  const endpoints = (selector: string) => {
    const [peer] = peers(`fromEndpoints: [${selector}]`) ?? []
    assert.equal(peer?.kind, 'endpoints')
    return peer?.kind === 'endpoints' ? peer.selector : undefined
  }
  const web = { key: 'app', operator: 'In', values: ['web'] }

  test('an empty selector is every workload of the namespace', () => {
    assert.deepEqual(endpoints('{}'), { namespaces: ['default'], requirements: [] })
  })
  test('sources of labels are dropped', () => {
    for (const key of ['app', '"k8s:app"', '"any:app"']) {
      assert.deepEqual(endpoints(`{matchLabels: {${key}: web}}`), {
        namespaces: ['default'],
        requirements: [web],
      })
    }
  })
  test('the namespace label takes the place of the namespace', () => {
    for (const key of ['io.kubernetes.pod.namespace', 'k8s:io.kubernetes.pod.namespace']) {
      assert.deepEqual(endpoints(`{matchLabels: {"${key}": shop, app: web}}`), {
        namespaces: ['shop'],
        requirements: [web],
      })
      assert.deepEqual(endpoints(`{matchExpressions: [{key: "${key}", operator: In, values: [b, a]}]}`), {
        namespaces: ['a', 'b'],
        requirements: [],
      })
      assert.deepEqual(endpoints(`{matchExpressions: [{key: "${key}", operator: Exists}]}`), {
        namespaces: null,
        requirements: [],
      })
      assert.deepEqual(endpoints(`{matchExpressions: [{key: "${key}", operator: NotIn, values: [a]}]}`), {
        namespaces: null,
        requirements: [{ key: 'io.kubernetes.pod.namespace', operator: 'NotIn', values: ['a'] }],
      })
    }
  })
  test('the one cluster is no requirement', () => {
    assert.deepEqual(
      endpoints('{matchExpressions: [{key: io.cilium.k8s.policy.cluster, operator: Exists}]}'),
      {
        namespaces: ['default'],
        requirements: [],
      },
    )
  })
  test('absent = everyone, empty = no one, no ports either = no one', () => {
    assert.equal(peers('toPorts: [{ports: [{port: "80"}]}]'), null)
    for (const list of ['fromEndpoints', 'fromCIDR', 'fromCIDRSet']) {
      assert.deepEqual(peers(`{${list}: [], toPorts: [{ports: [{port: "80"}]}]}`), [])
    }
    assert.deepEqual(peers('{}'), [])
    assert.deepEqual(peers('{toPorts: []}'), [])
  })
  test('CIDRs have one text', () => {
    assert.deepEqual(peers('fromCIDR: [10.1.2.3/8, 192.0.2.1, "2001:DB8::/32"]'), [
      { kind: 'cidr', cidr: '10.0.0.0/8', except: [] },
      { kind: 'cidr', cidr: '192.0.2.1/32', except: [] },
      { kind: 'cidr', cidr: '2001:db8:0:0:0:0:0:0/32', except: [] },
    ])
    assert.deepEqual(peers('fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.96.0.0/12]}]'), [
      { kind: 'cidr', cidr: '10.0.0.0/8', except: ['10.96.0.0/12'] },
    ])
  })
})

describe('what a policy selects', () => {
  const TABLE: [string, string, boolean][] = [
    ['rules', `${SUBJECT}  ingress: [{}]\n`, true],
    ['denials alone', `${SUBJECT}  ingressDeny: [{fromEndpoints: [{}]}]\n`, true],
    ['an empty list', `${SUBJECT}  ingress: []\n`, false],
    ['nothing', SUBJECT, false],
    ['rules, told not to', `${SUBJECT}  enableDefaultDeny: {ingress: false}\n  ingress: [{}]\n`, false],
    ['nothing, told to', `${SUBJECT}  enableDefaultDeny: {ingress: true, egress: false}\n`, true],
  ]
  for (const [says, spec, selects] of TABLE) {
    test(`${says}: ${selects ? 'default deny' : 'nothing changes'}`, () =>
      assert.equal(only(file(spec)).selects, selects))
  }
  test('a policy without rules is warned about', () => {
    const loaded = readPolicies([file(SUBJECT)])
    assert.ok('set' in loaded)
    assert.deepEqual(
      loaded.warnings.map(({ code }) => code),
      ['suspicious-rule'],
    )
  })
})

describe('ports and requests', () => {
  const ports = (text: string) => rule(`toPorts: [{ports: [${text}]}]`)?.ports
  test('numbers, ranges, port 0, protocols', () => {
    assert.deepEqual(ports('{port: "80"}'), [{ protocol: 'ANY', first: 80, last: 80 }])
    assert.deepEqual(ports('{port: "80", endPort: 90, protocol: UDP}'), [
      { protocol: 'UDP', first: 80, last: 90 },
    ])
    assert.deepEqual(ports('{port: "0", protocol: TCP}'), [{ protocol: 'TCP', first: 1, last: 65535 }])
  })
  test('each entry of toPorts is a rule of its own', () => {
    const policy = only(ingress('toPorts: [{ports: [{port: "80"}]}, {ports: [{port: "81"}, {port: "82"}]}]'))
    assert.deepEqual(
      policy.allow.map((item) => item.ports?.length),
      [1, 2],
    )
  })
  const matches = (text: string) => only(http(text)).allow[0]?.http?.map(({ source: _, ...match }) => match)
  test('parts of a request, empty ones left out', () => {
    assert.deepEqual(matches('{method: GET, path: "/a.*", host: ""}'), [
      { method: 'GET', path: '/a.*', headers: [] },
    ])
    assert.deepEqual(matches('{}'), [{ headers: [] }])
  })
  test('headers as Cilium splits them', () => {
    assert.deepEqual(matches('{headers: ["X-A", "X-B: 1", "X-C 2 3", "X-D:: 4", "X-E: "]}')?.[0]?.headers, [
      { name: 'X-A' },
      { name: 'X-B', value: '1' },
      { name: 'X-C', value: '2 3' },
      { name: 'X-D', value: '4' },
      { name: 'X-E', value: '' },
    ])
  })
  test('header matches without value ask for presence', () => {
    assert.deepEqual(
      matches('{headerMatches: [{name: A, value: b}, {name: C}, {name: D, value: ""}]}')?.[0]?.headers,
      [{ name: 'A', value: 'b' }, { name: 'C' }, { name: 'D' }],
    )
  })
  test('the list dialect: rules as a list, header values as alternatives', () => {
    const policy = only(
      ingress(
        'toPorts: [{ports: [{port: "80", protocol: TCP}], rules: [{http: [{headers: [{name: a, values: [x, y]}, {name: b}]}]}, {http: [{path: /c}]}]}]',
      ),
    )
    assert.deepEqual(
      policy.allow[0]?.http?.map(({ path, headers }) => [
        path,
        headers.map(({ name, value }) => `${name}=${value}`),
      ]),
      [
        [undefined, ['a=x', 'b=undefined']],
        [undefined, ['a=y', 'b=undefined']],
        ['/c', []],
      ],
    )
  })
  test('no HTTP rules is an L4 rule, and warned about', () => {
    for (const rules of ['{}', '{http: []}', '[{}]', '[{http: []}]']) {
      const loaded = readPolicies([
        ingress(`toPorts: [{ports: [{port: "80", protocol: TCP}], rules: ${rules}}]`),
      ])
      assert.ok('set' in loaded)
      assert.equal(loaded.set.policies[0]?.allow[0]?.http, null)
      assert.equal(loaded.warnings.length, 1)
    }
  })
  test('places are those of the text', () => {
    const text = `${SUBJECT}  ingress:\n  - toPorts:\n    - ports: [{port: "80", protocol: TCP}]\n      rules:\n        http:\n        - path: /a\n`
    const [allow] = only(file(text)).allow
    assert.deepEqual(
      [allow?.source.line, allow?.http?.[0]?.source.line, allow?.http?.[0]?.source.column],
      [8, 11, 11],
    )
  })
})
