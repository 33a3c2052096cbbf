import { refusals } from './cilium-text.ts'
import { mesh, rule } from './mesh-text.ts'

const metadata = (text: string) => mesh('{action: allow}', '', text)
const more = (text: string) => mesh('{action: allow}', text)
const allow = (text: string) => rule(`action: allow, ${text}`)
const many = (count: number, text: string) => new Array(count).fill(text).join(', ')
const document = (text: string) => ({ path: 'm.yaml', text })

refusals('refusals of a MeshPolicy', [
  [
    'another kind of the group',
    document('apiVersion: heddle.dev/v1\nkind: MeshRoute\n'),
    /^m.yaml:2:1 unsupported-kind heddle.dev\/v1 MeshRoute is not supported \| .*kind: MeshPolicy or PolicyTest$/,
  ],
  [
    'another version',
    document('apiVersion: heddle.dev/v2\nkind: MeshPolicy\n'),
    /:1:1 unsupported-kind .*v2 MeshPolicy is not supported \| write apiVersion: heddle.dev\/v1/,
  ],
  ['no kind', document('apiVersion: heddle.dev/v1\n'), /:1:1 unsupported-kind heddle.dev\/v1 without kind/],
  [
    'a group that only starts alike',
    document('apiVersion: heddle.device/v1\nkind: MeshPolicy\n'),
    /:2:1 unsupported-kind .*\| write a MeshPolicy \(heddle.dev\/v1\), a Cilium/,
  ],
  [
    'an unknown field of the spec',
    more('  unparsd: pass'),
    /:7:3 unknown-field .*`unparsd` in spec \| did you mean `unparsed`\?$/,
  ],
  [
    'an unknown field of a match',
    allow('ports: [80], match: {metod: GET}'),
    /:6:48 unknown-field .*in spec.rules\[0\].match \| did you mean `method`\?$/,
  ],
  [
    'a field in the wrong place',
    allow('path: {exact: /}'),
    /:6:27 unknown-field .*`path` is a field, but not of spec.rules\[0\]/,
  ],
  [
    'labels without matchLabels',
    allow('from: [{labels: {tier: web}}]'),
    /:6:44 unknown-field .*\| write labels under matchLabels, one level deeper$/,
  ],
  ['no rules', mesh(''), /:6:3 schema-violation `spec.rules`/],
  ['no action', rule('ports: [80]'), /:6:11 schema-violation `spec.rules\[0\].action`/],
  ['another action', rule('action: transform'), /:6:12 schema-violation `spec.rules\[0\].action`/],
  [
    'a foreign subject',
    document(
      'apiVersion: heddle.dev/v1\nkind: MeshPolicy\nmetadata: {name: m}\nspec: {subject: {matchLabels: {io.kubernetes.pod.namespace: x}}, rules: [{action: allow}]}',
    ),
    /:4:32 schema-violation .*own namespace only/,
  ],
  ['an odd name', metadata('{name: M}'), /:3:12 schema-violation .*no name of an object/],
  [
    'unparsed as annotation',
    metadata('{name: m, annotations: {heddle.dev/unparsed: pass}}'),
    /:3:35 unknown-field .*no annotation \| write unparsed: pass \(or refuse\) under spec$/,
  ],
  [
    'an unknown annotation',
    metadata('{name: m, annotations: {heddle.dev/refuse: GET /}}'),
    /:3:35 unknown-field .*\| did you mean `heddle.dev\/refuses`\?$/,
  ],
  [
    'another answer to what is not HTTP/1',
    more('  unparsed: maybe'),
    /:7:3 schema-violation `spec.unparsed`.* \| see pipelines\/languages\/mesh\/reference.gen.md/,
  ],
  ['an unknown option of paths', more('  paths: {slashes: keep}'), /:7:11 unknown-field .*in spec.paths/],
  ['another answer of paths', more('  paths: {dotSegments: merge}'), /:7:11 schema-violation .*dotSegments/],
])

refusals('refusals of peers, ports, names and reasons', [
  [
    'a peer that is no one',
    allow('from: [{}]'),
    /:6:34 schema-violation a peer that is no one \| write labels/,
  ],
  [
    'a peer of two kinds',
    allow('from: [{labels: {}, cidr: 10.0.0.0/8}]'),
    /:6:47 schema-violation `labels` and `cidr` of one peer \| .*of its own/,
  ],
  [
    'exceptions of workloads',
    allow('from: [{labels: {}, except: [10.0.0.0/8]}]'),
    /:6:47 schema-violation `except` without `cidr` \| .*NotIn/,
  ],
  ['no prefix', allow('from: [{cidr: 10.0.0.1}]'), /:6:35 schema-violation `10.0.0.1` is no prefix/],
  [
    'an exception outside',
    allow('from: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]'),
    /:6:62 schema-violation .*no prefix inside/,
  ],
  [
    'labels of other sources',
    allow('from: [{labels: {matchLabels: {"reserved:world": ""}}}]'),
    /unsupported-feature labels of source `reserved` .*by prefix/,
  ],
  ['no ports', allow('ports: []'), /:6:27 schema-violation `spec.rules\[0\].ports`/],
  ['port 0', allow('ports: [0]'), /:6:35 schema-violation .*ports\[0\]/],
  ['port 65536', allow('ports: [65536]'), /:6:35 schema-violation .*ports\[0\]/],
  [
    'a port in quotes',
    allow('ports: ["80"]'),
    /:6:35 schema-violation .*write a number from 1 to 65535, or \{/,
  ],
  ['half a range', allow('ports: [{from: 80}]'), /:6:35 schema-violation .*ports\[0\].to`/],
  [
    'a range backwards',
    allow('ports: [{from: 81, to: 80}]'),
    /:6:46 schema-violation the range ends at 80, in front of 81 \| write the last port under to/,
  ],
  [
    'too many ports',
    allow(`ports: [${many(41, '80')}]`),
    /:6:27 limit-exceeded 41 entries of ports, more than 40 \| write ranges/,
  ],
  [
    'a match without ports',
    allow('match: {}'),
    /:6:27 schema-violation a match without ports \| list the ports that speak HTTP/,
  ],
  [
    'a name that is there already',
    mesh('{action: allow, name: a}, {action: deny}, {action: deny, name: a}'),
    /:6:68 schema-violation a second rule with the name `a` \| give it another name$/,
  ],
  [
    'a long reason',
    allow(`reason: ${'a'.repeat(257)}`),
    /:6:27 limit-exceeded a reason of 257 characters, more than 256 \| say it shorter/,
  ],
  ['a reason of two lines', allow('reason: "a\\nb"'), /:6:27 schema-violation .*\| write it in one line$/],
  ['an empty reason', allow('reason: ""'), /:6:27 schema-violation/],
  [
    'too many rules',
    mesh(many(1025, '{action: allow}')),
    /:6:3 limit-exceeded 1025 rules in one policy, more than 1024 \| write several policies/,
  ],
])
