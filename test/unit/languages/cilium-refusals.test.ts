import assert from 'node:assert/strict'
import { test } from 'node:test'
import { file, ingress, refusals, refused, spec } from './cilium-text.ts'

refusals('refusals of fields, selectors and peers', [
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
  ['reserved labels', ingress('fromEndpoints: [{matchLabels: {"reserved:world": ""}}]'), /source `reserved`/],
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
])

test('all that is wrong is told at once', () => {
  assert.equal(refused(spec('  egress: []\n  ingres: []\n'), { path: 'p.yaml', text: 'a: [\n' }).length, 3)
})
