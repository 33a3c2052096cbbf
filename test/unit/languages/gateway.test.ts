import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MAX_POLICIES, readPolicyFiles } from '../../../pipelines/languages/policy-files.ts'
import { readYaml } from '../../../functions/adapters/yaml-source.ts'
import { file as policyFile, refused, SUBJECT } from './cilium-text.ts'
import {
  accepted,
  apart,
  filter,
  grant,
  match,
  object,
  onlyRule,
  rule,
  rules,
  service,
} from './gateway-text.ts'

describe('an HTTPRoute', () => {
  test('without rules sends every request to 500', () => {
    const [route = assert.fail()] = accepted(
      object('HTTPRoute', '{name: r}', '{parentRefs: [{group: "", kind: Service, name: echo}]}'),
    ).routes
    const place = (column: number) => ({ file: 'r.yaml', line: 4, column })
    assert.deepEqual(route, {
      name: 'r',
      namespace: 'default',
      source: place(21),
      created: '',
      service: { namespace: 'default', name: 'echo', port: null },
      clients: null,
      rules: [
        {
          source: place(7),
          matches: [{ source: place(7), path: { kind: 'prefix', value: '/' }, headers: [], query: [] }],
          filters: [],
          backends: [],
          requestTimeout: 0,
          backendTimeout: 0,
        },
      ],
    })
  })
  test('of both versions, with its age', () => {
    for (const version of ['v1', 'v1beta1']) {
      const text = object(
        'HTTPRoute',
        '{name: r, creationTimestamp: "2026-01-02T03:04:05Z"}',
        '{parentRefs: [{group: "", kind: Service, name: e}]}',
        `gateway.networking.k8s.io/${version}`,
      )
      assert.equal(accepted(text).routes[0]?.created, '2026-01-02T03:04:05Z')
    }
  })
  test('is a route for each Service that it attaches to, by port', () => {
    const parents =
      '{group: "", kind: Service, name: a, port: 80}, {group: "", kind: Service, name: a, port: 81}, {group: "", kind: Service, name: b, namespace: shop}'
    const { routes } = accepted(rules('{}', parents))
    assert.deepEqual(
      routes.map(({ service: to, clients }) => [to, clients]),
      [
        [{ namespace: 'default', name: 'a', port: 80 }, null],
        [{ namespace: 'default', name: 'a', port: 81 }, null],
        [{ namespace: 'shop', name: 'b', port: null }, 'default'],
      ],
    )
  })
  test('attaches by the name of a port', () => {
    const parent = '{group: "", kind: Service, name: echo, sectionName: http}'
    const { routes } = accepted(
      ...apart(rules('{}', parent), service('echo', '{ports: [{name: http, port: 8080}]}')),
    )
    assert.equal(routes[0]?.service.port, 8080)
  })
  test('without parents is for no request, and warned about', () => {
    const { routes, warnings } = accepted(object('HTTPRoute', '{name: r}', '{}'))
    assert.deepEqual(routes, [])
    assert.match(warnings.join(), /without parentRefs is for no request/)
  })
})

describe('matches', () => {
  const parts = (text: string) => {
    const [{ source: _, ...found } = assert.fail()] = onlyRule(match(text)).matches
    return found
  }
  test('all parts', () => {
    const text =
      '{path: {type: Exact, value: /a}, method: POST, headers: [{name: X-A, value: b}, {name: c, type: RegularExpression, value: "d+"}], queryParams: [{name: E, value: f}]}'
    assert.deepEqual(parts(text), {
      path: { kind: 'exact', value: '/a' },
      method: 'POST',
      headers: [
        { name: 'x-a', kind: 'exact', value: 'b' },
        { name: 'c', kind: 'regex', value: 'd+' },
      ],
      query: [{ name: 'E', kind: 'exact', value: 'f' }],
    })
  })
  test('a path without type is a prefix, a type without value is /', () => {
    assert.deepEqual(parts('{path: {value: /a/}}').path, { kind: 'prefix', value: '/a/' })
    assert.deepEqual(parts('{path: {type: RegularExpression}}').path, { kind: 'regex', value: '/' })
  })
  test('of names that differ in case the first header counts, every parameter does', () => {
    const twice = match(
      '{headers: [{name: A, value: b}, {name: a, value: c}], queryParams: [{name: A, value: b}, {name: a, value: c}]}',
    )
    const { routes, warnings } = accepted(twice)
    const found = routes[0]?.rules[0]?.matches[0]
    assert.deepEqual(
      found?.headers.map(({ value }) => value),
      ['b'],
    )
    assert.deepEqual(
      found?.query.map(({ value }) => value),
      ['b', 'c'],
    )
    assert.match(warnings.join(), /`a` has no effect: it is the same header as `A`/)
  })
})

describe('filters', () => {
  test('each kind', () => {
    const header = (kind: string) =>
      `{type: ${kind[0]?.toUpperCase()}${kind.slice(1)}, ${kind}: {set: [{name: S, value: "1"}], add: [{name: A, value: a b}], remove: [R]}}`
    const text = `${header('requestHeaderModifier')}, ${header('responseHeaderModifier')}, {type: URLRewrite, urlRewrite: {hostname: h.x, path: {type: ReplacePrefixMatch, replacePrefixMatch: ""}}}`
    const fields = { set: [{ name: 'S', value: '1' }], add: [{ name: 'A', value: 'a b' }], remove: ['R'] }
    assert.deepEqual(onlyRule(filter(text)).filters, [
      { kind: 'request-headers', ...fields },
      { kind: 'response-headers', ...fields },
      { kind: 'rewrite', host: 'h.x', path: { kind: 'prefix', value: '' } },
    ])
  })
  test('a redirect, whole and bare', () => {
    const redirect = (text: string) =>
      onlyRule(rules(`{filters: [{type: RequestRedirect, requestRedirect: ${text}}]}`)).filters
    assert.deepEqual(redirect('{}'), [{ kind: 'redirect', status: 302 }])
    assert.deepEqual(
      redirect(
        '{scheme: https, hostname: h.x, port: 8443, statusCode: 308, path: {type: ReplaceFullPath, replaceFullPath: /n}}',
      ),
      [
        {
          kind: 'redirect',
          scheme: 'https',
          host: 'h.x',
          port: 8443,
          status: 308,
          path: { kind: 'full', value: '/n' },
        },
      ],
    )
  })
  test('a backend has its own', () => {
    const [backend] = onlyRule(
      rules('{backendRefs: [{name: a, port: 80, weight: 7, filters: [{type: URLRewrite, urlRewrite: {}}]}]}'),
    ).backends
    assert.deepEqual(backend, {
      service: { namespace: 'default', name: 'a', port: 80 },
      weight: 7,
      filters: [{ kind: 'rewrite' }],
    })
  })
})

test('timeouts in milliseconds, 0 = none', () => {
  const timeouts = (text: string) => {
    const { requestTimeout, backendTimeout } = onlyRule(rule(`timeouts: ${text}`))
    return [requestTimeout, backendTimeout]
  }
  assert.deepEqual(timeouts('{request: 1h2m3s4ms, backendRequest: 500ms}'), [3_723_004, 500])
  assert.deepEqual(timeouts('{request: 0s, backendRequest: 1m}'), [0, 60_000])
  assert.deepEqual(timeouts('{}'), [0, 0])
})

const SHOP = rules('{backendRefs: [{name: a, namespace: shop, port: 80}]}')
const at80 = (appProtocol = '') =>
  `{ports: [{port: 80${appProtocol === '' ? '' : `, appProtocol: ${appProtocol}`}}]}`
describe('a backend', () => {
  const TABLE: [says: string, files: ReturnType<typeof apart>, reason: string | null][] = [
    ['of another namespace, without a grant', [SHOP], 'RefNotPermitted'],
    ['of another namespace, with a grant', [SHOP, grant('shop', 'default')], null],
    [
      'of another namespace, granted by name',
      [SHOP, grant('shop', 'default', '{group: "", kind: Service, name: a}')],
      null,
    ],
    [
      'of another namespace, another name granted',
      [SHOP, grant('shop', 'default', '{group: "", kind: Service, name: b}')],
      'RefNotPermitted',
    ],
    ['of another namespace, granted to another one', [SHOP, grant('shop', 'other')], 'RefNotPermitted'],
    ['of another namespace, granted elsewhere', [SHOP, grant('other', 'default')], 'RefNotPermitted'],
    [
      'of another namespace, granted for Secrets',
      [SHOP, grant('shop', 'default', '{group: "", kind: Secret}')],
      'RefNotPermitted',
    ],
    [
      "of the parent's namespace",
      [
        rules(
          '{backendRefs: [{name: a, namespace: shop, port: 80}]}',
          '{group: "", kind: Service, name: a, namespace: shop}',
        ),
      ],
      null,
    ],
    ['that no Service here tells of', [rule('name: x')], null],
    ['that a Service tells of', [rule('name: x'), service('a', at80())], null],
    [
      'on a port that the Service has not',
      [rule('name: x'), service('a', '{ports: [{port: 81}]}')],
      'BackendNotFound',
    ],
    [
      'on a port of UDP',
      [rule('name: x'), service('a', '{ports: [{port: 80, protocol: UDP}]}')],
      'BackendNotFound',
    ],
    ['that speaks HTTP', [rule('name: x'), service('a', at80('http'))], null],
    ['that speaks WebSocket', [rule('name: x'), service('a', at80('kubernetes.io/ws'))], null],
    ['that speaks HTTP/2', [rule('name: x'), service('a', at80('kubernetes.io/h2c'))], 'UnsupportedProtocol'],
    ['that speaks TLS', [rule('name: x'), service('a', at80('https'))], 'UnsupportedProtocol'],
    ['that is headless', [rule('name: x'), service('a', '{clusterIP: None, ports: [{port: 80}]}')], null],
    ['that is external', [rule('name: x'), service('a', '{type: ExternalName}')], 'InvalidKind'],
    ['of another kind', [rules('{backendRefs: [{kind: Bucket, name: a}]}')], 'InvalidKind'],
    [
      'of another group',
      [rules('{backendRefs: [{group: multicluster.x-k8s.io, kind: ServiceImport, name: a}]}')],
      'InvalidKind',
    ],
  ]
  for (const [says, files, reason] of TABLE) {
    test(`${says}: ${reason ?? 'is sent to'}`, () => {
      const { routes, warnings } = accepted(...apart(...files))
      const [backend] = routes[0]?.rules[0]?.backends ?? []
      assert.equal(backend?.service === null, reason !== null)
      const warned = warnings.filter((line) => line.includes('answered with 500'))
      assert.equal(warned.length, reason === null ? 0 : 1)
      if (reason !== null) assert.ok(warned[0]?.includes(`(${reason})`), warned[0])
    })
  }
})

describe('files with routes', () => {
  test('a grant that is for nobody here is warned about', () => {
    const { warnings } = accepted(grant('shop', 'default', '{group: "", kind: Secret}'))
    assert.match(warnings.join(), /this grant changes nothing/)
  })
  test('a grant is for the kind that it names', () => {
    const { text } = grant('shop', 'default')
    const other = { path: 'r.yaml', text: text.replace('kind: HTTPRoute', 'kind: GRPCRoute') }
    assert.match(accepted(...apart(SHOP, other)).warnings.join(), /RefNotPermitted/)
  })
  test('tell their objects apart by kind', () => {
    const route = rules('{}').text.replace('name: r', 'name: p')
    assert.equal(accepted({ path: 'a.yaml', text: route }, policyFile(SUBJECT, 'b.yaml')).routes.length, 1)
  })
  test('have one place for each object', () => {
    assert.match(
      refused(...apart(rules('{}'), rules('{}'))).join(),
      /^1.yaml:\d+:\d+ duplicate-policy HTTPRoute default\/r is already at 0.yaml:1/,
    )
    assert.match(
      refused(...apart(grant('a', 'b'), grant('a', 'c'))).join(),
      /duplicate-policy ReferenceGrant a\/g/,
    )
    assert.match(
      refused(...apart(service('a', '{}'), service('a', '{}'))).join(),
      /duplicate-policy Service default\/a/,
    )
  })
  test('speak for the namespaces of their paths alone', () => {
    const tenants = { path: 'tenants.yaml', text: 'tenants: [{path: pay, namespaces: [pay]}]\n' }
    const inPay = (text: string) => refused(tenants, { path: 'pay/x.yaml', text }).join()
    for (const { text } of [rules('{}'), grant('shop', 'pay'), service('a', '{}')]) {
      assert.match(inPay(text), /tenancy-violation pay\/x.yaml may not speak for namespace `(default|shop)`/)
    }
    const consumer = object(
      'HTTPRoute',
      '{name: r, namespace: pay}',
      '{parentRefs: [{group: "", kind: Service, name: a, namespace: shop}]}',
    )
    assert.equal(accepted(tenants, { path: 'pay/x.yaml', text: consumer.text }).routes.length, 1)
  })
  test('count each route', () => {
    const read = readYaml('r.yaml', rules('{}').text)
    const [document] = 'documents' in read ? read.documents : []
    assert.ok(document)
    const many = (count: number) =>
      readPolicyFiles([{ path: 'r.yaml', documents: Array(count).fill(document) }])
    const more = many(MAX_POLICIES + 1)
    assert.ok('findings' in more && more.findings[0]?.code === 'limit-exceeded')
  })
})
