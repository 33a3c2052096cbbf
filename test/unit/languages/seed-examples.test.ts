/** The two policies of the article that Heddle began with, as they were written. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { only, refused } from './cilium-text.ts'

const example = (name: string, subject: string, http: string[]) => ({
  path: 'seed.yaml',
  text: [
    'apiVersion: cilium.io/v2',
    'kind: CiliumNetworkPolicy',
    'metadata:',
    `  name: ${name}`,
    'spec:',
    '  endpointSelector:',
    '    matchLabels:',
    `      app: ${subject}`,
    '  ingress:',
    '  - fromEndpoints:',
    '    - matchLabels:',
    '        app: api-gateway',
    '    toPorts:',
    '    - ports:',
    '      - port: "80"',
    '        protocol: "TCP"',
    '      rules:',
    '      - http:',
    ...http,
    '',
  ].join('\n'),
})

test('the header example allows what it names, and nothing else', () => {
  const http = [
    '        - headers:',
    '          - name: "x-api-version"',
    '            values:',
    '            - "v2"',
  ]
  const { allow, deny, subject } = only(example('api-l7-policy', 'api-service', http))
  assert.deepEqual(subject.requirements, [{ key: 'app', operator: 'In', values: ['api-service'] }])
  assert.deepEqual([allow.length, deny], [1, []])
  assert.deepEqual(allow[0]?.ports, [{ protocol: 'TCP', first: 80, last: 80 }])
  assert.deepEqual(
    allow[0]?.http?.map(({ headers }) => headers),
    [[{ name: 'x-api-version', value: 'v2' }]],
  )
})

test('the mirror example is refused where it asks for copies, with what to do', () => {
  const http = [
    '        - mirror: true',
    '          mirrorEndpoint: "testing-payment-service"',
    '          mirrorRatio: 0.1',
  ]
  const found = refused(example('request-mirroring', 'payment-service', http))
  assert.equal(found.length, 3)
  for (const [index, field] of ['mirror', 'mirrorEndpoint', 'mirrorRatio'].entries())
    assert.match(
      found[index] as string,
      new RegExp(
        `^seed.yaml:${19 + index}:11 unsupported-feature \`${field}\` .*\\| requests are not copied: remove it`,
      ),
    )
})
