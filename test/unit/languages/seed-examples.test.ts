/** The two policies of the article that Heddle began with, as they were written. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { only } from './cilium-text.ts'

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

test('the mirror example copies a tenth of what it lets in', () => {
  const http = [
    '        - mirror: true',
    '          mirrorEndpoint: "testing-payment-service"',
    '          mirrorRatio: 0.1',
  ]
  const { allow, mirrors } = only(example('request-mirroring', 'payment-service', http))
  assert.equal(allow.length, 1)
  assert.deepEqual(
    allow[0]?.http?.map(({ headers, ...rest }) => [headers, Object.keys(rest)]),
    [[[], ['source']]],
  )
  const to = { namespace: 'default', name: 'testing-payment-service', port: 80 }
  assert.deepEqual(
    mirrors?.map(({ mirror, http: matches, peers, ports }) => [mirror, matches.length, peers, ports]),
    [[{ to, ratio: 100_000 }, 1, allow[0]?.peers, allow[0]?.ports]],
  )
})
