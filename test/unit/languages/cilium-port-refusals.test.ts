import type { TextFile } from '../../../functions/validate/load-policies.ts'
import { file, http, ingress, refusals, SUBJECT, spec } from './cilium-text.ts'

const doc = (text: string): TextFile => ({ path: 'p.yaml', text })

refusals('refusals of ports, requests and documents', [
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
  ['Kafka', ingress('toPorts: [{ports: [{port: "80"}], rules: {kafka: []}}]'), /unsupported-feature `kafka`/],
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
  ['a mirror without a place', http('{mirror: true}'), /schema-violation `mirror` without `mirrorEndpoint`/],
  [
    'a place without a mirror',
    http('{mirrorEndpoint: a}'),
    /schema-violation `mirrorEndpoint` without `mirror`/,
  ],
  ['a ratio without a mirror', http('{mirrorRatio: 1}'), /schema-violation `mirrorRatio` without `mirror`/],
  [
    'a mirror to no name',
    http('{mirror: true, mirrorEndpoint: other/payments}'),
    /schema-violation `other\/payments` is no service of this namespace/,
  ],
  [
    'a mirror to no port',
    http('{mirror: true, mirrorEndpoint: "a:70000"}'),
    /schema-violation `a:70000` is no service/,
  ],
  [
    'a ratio above all',
    http('{mirror: true, mirrorEndpoint: a, mirrorRatio: 10}'),
    /schema-violation .*mirrorRatio/,
  ],
  [
    'a ratio finer than a millionth',
    http('{mirror: true, mirrorEndpoint: a, mirrorRatio: 0.00000015}'),
    /schema-violation .*finer than a millionth/,
  ],
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
])
