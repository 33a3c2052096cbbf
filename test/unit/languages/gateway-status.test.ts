import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readYaml } from '../../../functions/adapters/yaml-source.ts'
import type { TextFile } from '../../../functions/validate/load-policies.ts'
import { gatewayKind, readReference, referencesOf } from '../../../pipelines/languages/gateway/documents.ts'
import { routeStatus } from '../../../pipelines/languages/gateway/status.ts'
import { BACKEND, filter, grant, match, object, rules, service } from './gateway-text.ts'

const roots = (file: TextFile) => {
  const read = readYaml(file.path, file.text)
  return 'documents' in read ? read.documents : assert.fail(read.finding.message)
}
/** `Accepted ResolvedRefs` of each parent: a reason alone is one that holds. */
function reasons(route: TextFile, cluster: TextFile[]): string[] {
  const references = referencesOf(
    cluster.flatMap(roots).map((root) => {
      const kind = gatewayKind(root)
      return readReference(root, kind === 'Service' ? kind : 'ReferenceGrant')
    }),
    true,
  )
  const [root = assert.fail()] = roots(route)
  return routeStatus(root, references).map(({ conditions }) =>
    conditions
      .map(({ type, status, reason, message }) => {
        assert.ok(message !== '' && (status === 'True') === (reason === type))
        return reason
      })
      .join(' '),
  )
}

const http = '{ports: [{name: http, port: 80}, {name: grpc, port: 81, appProtocol: kubernetes.io/h2c}]}'
const CLUSTER = [service('echo', http), service('a', http), service('b', http, 'shop')]
const to = (refs: string) => rules(`{backendRefs: [${refs}]}`)
const of = (parent: string) => rules(`{${BACKEND}}`, `{group: "", kind: Service, ${parent}}`)

const TABLE: [says: string, route: TextFile, expected: string[]][] = [
  ['all is well', of('name: echo'), ['Accepted ResolvedRefs']],
  ['a named port', of('name: echo, sectionName: http'), ['Accepted ResolvedRefs']],
  ['no such parent', of('name: nobody'), ['NoMatchingParent ResolvedRefs']],
  ['no such port', of('name: echo, port: 82'), ['NoMatchingParent ResolvedRefs']],
  ['no such port name', of('name: echo, sectionName: x'), ['NoMatchingParent ResolvedRefs']],
  ['no such backend', to('{name: nobody, port: 80}'), ['Accepted BackendNotFound']],
  ['no such kind', to('{kind: Bucket, name: a}'), ['Accepted InvalidKind']],
  ['not permitted', to('{name: b, namespace: shop, port: 80}'), ['Accepted RefNotPermitted']],
  ['another protocol', to('{name: a, port: 81}'), ['Accepted UnsupportedProtocol']],
  [
    'the first reason',
    to('{name: a, port: 80}, {name: nobody, port: 80}, {kind: B, name: c}'),
    ['Accepted BackendNotFound'],
  ],
  ['an unsupported filter', filter('{type: ExternalAuth}'), ['UnsupportedValue ResolvedRefs']],
  ['an unsupported value', match('{method: CONNECT}'), ['UnsupportedValue ResolvedRefs']],
  ['a Gateway', rules('{}', '{name: g}'), []],
  [
    'a parent of each kind: each for itself',
    rules(
      `{${BACKEND}}`,
      '{name: g}, {group: "", kind: Service, name: echo}, {group: "", kind: Service, name: nobody}',
    ),
    ['Accepted ResolvedRefs', 'NoMatchingParent ResolvedRefs'],
  ],
  ['no parents', object('HTTPRoute', '{name: r}', '{}'), []],
]
describe('the conditions of a route', () => {
  for (const [says, route, expected] of TABLE) {
    test(`${says}: ${expected.join(', ') || 'none'}`, () =>
      assert.deepEqual(reasons(route, CLUSTER), expected))
  }
  test('a grant resolves', () => {
    const granted = [...CLUSTER, grant('shop', 'default')]
    assert.deepEqual(reasons(to('{name: b, namespace: shop, port: 80}'), granted), ['Accepted ResolvedRefs'])
  })
})
