import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readPolicies, type TextFile } from '../../../functions/validate/load-policies.ts'
import type { Policy } from '../../../pipelines/policy/model.ts'

const file = (spec: string, path = 'p.yaml', metadata = '{name: p}'): TextFile => ({
  path,
  text: `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: ${metadata}\nspec:\n${spec}`,
})
const SUBJECT = '  endpointSelector: {matchLabels: {app: api}}\n'
const ingress = (rule: string) => file(`${SUBJECT}  ingress:\n  - ${rule}\n`)
const http = (rule: string) =>
  ingress(`toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [${rule}]}}]`)

function accepted(...files: TextFile[]): Policy[] {
  const loaded = readPolicies(files)
  if (!('set' in loaded)) assert.fail(loaded.findings.map(({ message }) => message).join('\n'))
  return loaded.set.policies
}
const only = (text: TextFile) => accepted(text)[0] as Policy
const rule = (text: string) => only(ingress(text)).allow[0]

/** `code line:column message | hint`, one a finding. */
function refused(...files: TextFile[]): string[] {
  const loaded = readPolicies(files)
  assert.ok('findings' in loaded, 'must be refused')
  return loaded.findings.map(
    ({ file: name, line, column, code, message, hint }) =>
      `${name}:${line}:${column} ${code} ${message} | ${hint}`,
  )
}

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

describe('refusals', () => {
  const spec = (text: string) => file(`${SUBJECT}${text}`)
  const doc = (text: string): TextFile => ({ path: 'p.yaml', text })
  const TABLE: [string, TextFile, RegExp][] = [
    [
      'an unknown field',
      spec('  ingres: []\n'),
      /^p.yaml:6:3 unknown-field .*`ingres` in spec \| did you mean `ingress`\?$/,
    ],
    [
      'a field in the wrong place',
      spec('  http: []\n'),
      /:6:3 unknown-field .*`http` is a field, but not of spec/,
    ],
    ['a field like no other', spec('  frobnicate: 1\n'), /:6:3 unknown-field .*never ignored$/],
    [
      'egress',
      spec('  egress: [{}]\n'),
      /:6:3 unsupported-feature `egress` .*ingress rule for the destination/,
    ],
    ['egressDeny, though empty', spec('  egressDeny: []\n'), /:6:3 unsupported-feature `egressDeny`/],
    ['default deny of egress', spec('  enableDefaultDeny: {egress: true}\n'), /:6:23 unsupported-feature/],
    ['a node selector', spec('  nodeSelector: {}\n'), /:6:3 unsupported-feature `nodeSelector`/],
    ['entities', ingress('fromEntities: [world]'), /:7:5 unsupported-feature `fromEntities` .*fromCIDR/],
    ['nodes', ingress('fromNodes: [{}]'), /unsupported-feature `fromNodes`/],
    ['groups', ingress('fromGroups: [{}]'), /unsupported-feature `fromGroups`/],
    ['requirements', ingress('fromRequires: [{}]'), /unsupported-feature `fromRequires`/],
    ['ICMP', ingress('icmps: [{}]'), /unsupported-feature `icmps`/],
    ['authentication', ingress('authentication: {mode: required}'), /unsupported-feature `authentication`/],
    [
      'two kinds of peers',
      ingress('{fromEndpoints: [{}], fromCIDR: [10.0.0.0/8]}'),
      /unsupported-feature combining fromEndpoints and fromCIDR/,
    ],
    [
      'a CIDR group',
      ingress('fromCIDRSet: [{cidr: 10.0.0.0/8, cidrGroupRef: x}]'),
      /unsupported-feature `cidrGroupRef`/,
    ],
    ['no CIDR', ingress('fromCIDR: [10.0.0.0/33]'), /schema-violation `10.0.0.0\/33` is no prefix/],
    [
      'an address as CIDR set',
      ingress('fromCIDRSet: [{cidr: 10.0.0.1}]'),
      /schema-violation `10.0.0.1` is no prefix/,
    ],
    [
      'an exception outside',
      ingress('fromCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]'),
      /no prefix inside/,
    ],
    [
      'an exception that is larger',
      ingress('fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.0.0.0/7]}]'),
      /no prefix inside/,
    ],
    [
      'reserved labels',
      ingress('fromEndpoints: [{matchLabels: {"reserved:world": ""}}]'),
      /source `reserved`/,
    ],
    [
      'labels of other sources',
      ingress('fromEndpoints: [{matchLabels: {"container:a": b}}]'),
      /source `container`/,
    ],
    [
      'an internal label',
      ingress('fromEndpoints: [{matchLabels: {"k8s.io.kubernetes.pod.namespace": b}}]'),
      /is no label \| write k8s:io/,
    ],
    [
      'labels of namespaces',
      ingress('fromEndpoints: [{matchLabels: {io.cilium.k8s.namespace.labels.a: b}}]'),
      /unsupported-feature the derived label/,
    ],
    [
      'a service account',
      ingress('fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.serviceaccount: b}}]'),
      /unsupported-feature the derived label/,
    ],
    [
      'another cluster',
      ingress('fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.cluster: b}}]'),
      /there is one cluster/,
    ],
    [
      'In without values',
      ingress('fromEndpoints: [{matchExpressions: [{key: a, operator: In}]}]'),
      /In needs at least one value/,
    ],
    [
      'Exists with values',
      ingress('fromEndpoints: [{matchExpressions: [{key: a, operator: Exists, values: [b]}]}]'),
      /Exists has no values/,
    ],
    [
      'another operator',
      ingress('fromEndpoints: [{matchExpressions: [{key: a, operator: Gt, values: ["1"]}]}]'),
      /schema-violation .*operator/,
    ],
    [
      'a label that is a number',
      ingress('fromEndpoints: [{matchLabels: {a: 1}}]'),
      /schema-violation .* \| write it in quotes: "1"$/,
    ],
    ['an empty field', ingress('fromEndpoints:'), /schema-violation .*it is empty/],
    [
      'a foreign subject',
      file('  endpointSelector: {matchLabels: {io.kubernetes.pod.namespace: kube-system}}\n'),
      /:5:36 schema-violation .*own namespace only/,
    ],
    ['no subject', file('  ingress: [{}]\n'), /:5:3 schema-violation `spec.endpointSelector`/],
    [
      'a named port',
      ingress('toPorts: [{ports: [{port: http}]}]'),
      /unsupported-feature the named port `http`/,
    ],
    ['an octal port', ingress('toPorts: [{ports: [{port: "080"}]}]'), /schema-violation `080` is no port/],
    ['a port that is a number', ingress('toPorts: [{ports: [{port: 80}]}]'), /write it in quotes: "80"/],
    ['port 65536', ingress('toPorts: [{ports: [{port: "65536"}]}]'), /is no port/],
    [
      'a range that goes back',
      ingress('toPorts: [{ports: [{port: "80", endPort: 79}]}]'),
      /endPort 79 is not behind port 80/,
    ],
    ['no ports', ingress('toPorts: [{ports: []}]'), /schema-violation/],
    [
      'ICMP as protocol',
      ingress('toPorts: [{ports: [{port: "8", protocol: ICMP}]}]'),
      /schema-violation .*protocol/,
    ],
    [
      'HTTP on any protocol',
      ingress('toPorts: [{ports: [{port: "80"}], rules: {http: [{}]}}]'),
      /TCP only, not to ANY/,
    ],
    [
      'HTTP on every port',
      ingress('toPorts: [{ports: [{port: "0", protocol: TCP}], rules: {http: [{}]}}]'),
      /every port/,
    ],
    [
      'Kafka',
      ingress('toPorts: [{ports: [{port: "80"}], rules: {kafka: []}}]'),
      /unsupported-feature `kafka`/,
    ],
    [
      'Kafka in the list dialect',
      ingress('toPorts: [{ports: [{port: "80"}], rules: [{kafka: []}]}]'),
      /unsupported-feature `kafka`/,
    ],
    ['DNS', ingress('toPorts: [{ports: [{port: "53"}], rules: {dns: []}}]'), /unsupported-feature `dns`/],
    [
      'an l7proto',
      ingress('toPorts: [{ports: [{port: "80"}], rules: {l7proto: x}}]'),
      /unsupported-feature `l7proto`/,
    ],
    [
      'TLS names',
      ingress('toPorts: [{ports: [{port: "80"}], serverNames: [a]}]'),
      /unsupported-feature `serverNames`/,
    ],
    [
      'TLS termination',
      ingress('toPorts: [{ports: [{port: "80"}], terminatingTLS: {}}]'),
      /unsupported-feature `terminatingTLS`/,
    ],
    [
      'a listener',
      ingress('toPorts: [{ports: [{port: "80"}], listener: {}}]'),
      /unsupported-feature `listener`/,
    ],
    [
      'HTTP in a denial',
      spec('  ingressDeny:\n  - toPorts: [{ports: [{port: "80"}], rules: {http: [{}]}}]\n'),
      /unknown-field .*`rules` is a field, but not of/,
    ],
    ['an expression that is none', http('{path: "/a("}'), /:7:70 expression-invalid/],
    ['a backreference', http('{path: "(a)\\\\1"}'), /expression-invalid/],
    ['a lookahead', http('{method: "(?!GET).*"}'), /expression-invalid/],
    ['an expression for hosts', http('{host: "["}'), /expression-invalid/],
    ['a header without blank', http('{headers: ["X-A:1"]}'), /`X-A:1` is no name of a header/],
    ['a header without name', http('{headers: [": 1"]}'), /`` is no name of a header/],
    ['a value that begins with a blank', http('{headers: ["X-A:  1"]}'), /no header can have this value/],
    ['a value of two lines', http('{headers: ["X-A: 1\\n2"]}'), /no header can have this value/],
    [
      'a mismatch action',
      http('{headerMatches: [{name: a, mismatch: LOG}]}'),
      /unsupported-feature the mismatch action LOG/,
    ],
    ['a secret', http('{headerMatches: [{name: a, secret: {name: s}}]}'), /unsupported-feature `secret`/],
    ['a misspelt header match', http('{headerMatch: []}'), /did you mean `headerMatches`\?/],
    [
      'a misspelt field of the list dialect',
      http('{headers: [{name: a, value: b}]}'),
      /unknown-field .*`value` is a field, but not of/,
    ],
    [
      'too many alternatives',
      http(`{headers: [${'{name: a, values: [a, b, c, d, e]}, '.repeat(3)}]}`),
      /limit-exceeded .*125 alternatives/,
    ],
    ['mirroring', http('{mirror: true}'), /unknown-field unknown field `mirror`/],
    [
      'a misspelt annotation',
      file(SUBJECT, 'p.yaml', '{name: p, annotations: {heddle.dev/unparsd: pass}}'),
      /did you mean `heddle.dev\/unparsed`/,
    ],
    ['a bad name', file(SUBJECT, 'p.yaml', '{name: P}'), /:3:12 schema-violation `metadata.name`/],
    [
      'a bad namespace',
      file(SUBJECT, 'p.yaml', '{name: p, namespace: a.b}'),
      /schema-violation `metadata.namespace`/,
    ],
    [
      'the cluster-wide kind',
      doc('apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\n'),
      /:2:1 unsupported-kind .*for each namespace/,
    ],
    ['another kind', doc('apiVersion: v1\nkind: Pod\n'), /:2:1 unsupported-kind v1 Pod/],
    [
      'another version',
      doc('apiVersion: cilium.io/v1\nkind: CiliumNetworkPolicy\n'),
      /:1:1 unsupported-kind cilium.io\/v1/,
    ],
    [
      'a kind like a member of Object',
      doc('apiVersion: v1\nkind: constructor\n'),
      /unsupported-kind v1 constructor/,
    ],
    ['no kind', doc('hello: world\n'), /no policy: the document has no kind/],
    ['a list', doc('- a\n'), /no policy: the document has no kind/],
    [
      'no spec',
      doc('apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\n'),
      /a policy without spec/,
    ],
    ['bad YAML', doc('a: [\n'), /yaml-syntax/],
  ]
  for (const [says, text, expected] of TABLE) {
    test(says, () => {
      const found = refused(text)
      assert.ok(
        found.some((line) => expected.test(line)),
        found.join('\n'),
      )
      for (const line of found) assert.match(line, /\| .+/, 'every finding says what to do')
    })
  }
  test('all that is wrong is told at once', () => {
    assert.equal(refused(spec('  egress: []\n  ingres: []\n'), doc('a: [\n')).length, 3)
  })
})
