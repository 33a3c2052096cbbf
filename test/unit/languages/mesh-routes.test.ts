/** Routes of a MeshPolicy: what an HTTPRoute that says the same becomes, in the model and in the kernel's tables. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TextFile } from '../../../functions/validate/load-policies.ts'
import { PolicySet } from '../../../pipelines/policy/model.ts'
import { evaluateRoute } from '../../../pipelines/policy/route-evaluate.ts'
import type { Route, RouteMatch } from '../../../pipelines/policy/route.ts'
import { buildTables } from '../../../pipelines/tables/build-tables.ts'
import { parsed } from '../../bpf/host/route-cases.ts'
import { accepted, apart, grant, onlyRule, rules, service } from './gateway-text.ts'
import { routed, routes, TO } from './mesh-text.ts'

/** Without the places where it stands. */
const meaning = (list: readonly Route[]): unknown =>
  JSON.parse(JSON.stringify(list, (key, value) => (key === 'source' ? undefined : value)))

const tables = (list: Route[]): Buffer => {
  const built = buildTables({ policies: [], routes: list })
  assert.ok(built.ok)
  return Buffer.from(built.tables.blob)
}

const BACKEND = 'backendRefs: [{name: a, port: 80}]'
/** What a MeshPolicy says, and an HTTPRoute likewise. */
const ALIKE: [string, string, string][] = [
  ['a route', `{${TO}}`, `{${BACKEND}}`],
  ['a name', `{name: n, ${TO}}`, `{name: n, ${BACKEND}}`],
  [
    'a weighted split',
    '{to: [{service: a, port: 80, weight: 9}, {service: b, port: 81}, {service: c, port: 1, weight: 0}]}',
    '{backendRefs: [{name: a, port: 80, weight: 9}, {name: b, port: 81}, {name: c, port: 1, weight: 0}]}',
  ],
  [
    'an exact path',
    `{match: {path: {exact: /a}}, ${TO}}`,
    `{matches: [{path: {type: Exact, value: /a}}], ${BACKEND}}`,
  ],
  ['a prefix', `{match: {path: {prefix: /a}}, ${TO}}`, `{matches: [{path: {value: /a}}], ${BACKEND}}`],
  [
    'an expression',
    `{match: {path: {regex: "/v[0-9]+"}}, ${TO}}`,
    `{matches: [{path: {type: RegularExpression, value: "/v[0-9]+"}}], ${BACKEND}}`,
  ],
  [
    'methods, headers and parameters',
    `{match: {method: [GET, PUT], headers: [{name: X-A, exact: b}, {name: c, regex: "d.*"}], query: [{name: e, exact: f}]}, ${TO}}`,
    `{matches: [${['GET', 'PUT']
      .map(
        (method) =>
          `{method: ${method}, headers: [{name: X-A, value: b}, {name: c, type: RegularExpression, value: "d.*"}], queryParams: [{name: e, value: f}]}`,
      )
      .join(', ')}], ${BACKEND}}`,
  ],
  [
    'a redirect',
    '{match: {path: {prefix: /a}}, redirect: {status: 308, scheme: https, host: h.test, port: 8443, prefix: /b}, responseHeaders: {add: [{name: x, value: y}]}}',
    '{matches: [{path: {value: /a}}], filters: [{type: RequestRedirect, requestRedirect: {statusCode: 308, scheme: https, hostname: h.test, port: 8443, path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}, {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x, value: y}]}}]}',
  ],
  [
    'a redirect where nothing is written',
    '{redirect: {}}',
    '{filters: [{type: RequestRedirect, requestRedirect: {}}]}',
  ],
  [
    'a rewrite and headers',
    `{${TO}, rewrite: {host: h.test, path: /b}, requestHeaders: {remove: [A], set: [{name: b, value: c}]}, responseHeaders: {add: [{name: d, value: e f}]}}`,
    `{${BACKEND}, filters: [{type: URLRewrite, urlRewrite: {hostname: h.test, path: {type: ReplaceFullPath, replaceFullPath: /b}}}, {type: RequestHeaderModifier, requestHeaderModifier: {remove: [A], set: [{name: b, value: c}]}}, {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: d, value: e f}]}}]}`,
  ],
  [
    'headers of one destination',
    '{to: [{service: a, port: 80, requestHeaders: {set: [{name: b, value: c}]}}, {service: b, port: 80}]}',
    '{backendRefs: [{name: a, port: 80, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: b, value: c}]}}]}, {name: b, port: 80}]}',
  ],
  [
    'CORS',
    `{${TO}, cors: {allowOrigins: ["https://*.a:1"], allowMethods: [PUT], allowHeaders: [X], exposeHeaders: [Y], allowCredentials: true, maxAge: 7}}`,
    `{${BACKEND}, filters: [{type: CORS, cors: {allowOrigins: ["https://*.a:1"], allowMethods: [PUT], allowHeaders: [X], exposeHeaders: [Y], allowCredentials: true, maxAge: 7}}]}`,
  ],
  [
    'timeouts and retries',
    `{${TO}, timeout: {request: 10s, try: 1s500ms}, retry: {attempts: 3, codes: [502], backoff: 1s}}`,
    `{${BACKEND}, timeouts: {request: 10s, backendRequest: 1s500ms}, retry: {attempts: 3, codes: [502], backoff: 1s}}`,
  ],
  ['retries where nothing is written', `{${TO}, retry: {}}`, `{${BACKEND}, retry: {}}`],
]

describe('a MeshPolicy and the HTTPRoute that says the same are the same route', () => {
  for (const [what, mesh, gateway] of ALIKE) {
    test(what, () => {
      const [own, other] = [accepted(routes(mesh)).routes, accepted(rules(gateway)).routes]
      assert.deepEqual(meaning(own), meaning(other))
      assert.deepEqual(tables(own), tables(other))
      PolicySet.parse({ policies: [], routes: own })
    })
  }
  test('of a port, and of another namespace', () => {
    const own = accepted(routes(`{${TO}}`, '{name: echo, namespace: shop, port: 80}')).routes
    const parent = '{group: "", kind: Service, name: echo, namespace: shop, port: 80}'
    assert.deepEqual(meaning(own), meaning(accepted(rules(`{${BACKEND}}`, parent)).routes))
    assert.equal(own[0]?.clients, 'default')
  })
})

const REQUEST = (line: string, ...fields: string[]) =>
  parsed([`${line} HTTP/1.1`, ...fields, '', ''].join('\r\n'))

describe('what an HTTPRoute has no word for', () => {
  const holds = (match: string, ...requests: [string, ...string[]][]): boolean[] => {
    const set = { policies: [], ...accepted(routes(`{match: ${match}, ${TO}}`)) }
    const of = { namespace: 'default', name: 'echo', port: 80 }
    return requests.map(
      ([line, ...fields]) =>
        evaluateRoute(set, { service: of, client: null, request: REQUEST(line, ...fields) }, 0).kind ===
        'forward',
    )
  }
  const CASES: [string, string, [string, ...string[]][], boolean[]][] = [
    ['raw prefix', '{path: {rawPrefix: /a.}}', [['GET /a.b'], ['GET /axb']], [true, false]],
    ['suffix', '{path: {suffix: .php}}', [['GET /a.php?q'], ['GET /aphp']], [true, false]],
    [
      'host',
      '{host: ["*.Example.com", "b:80"]}',
      [
        ['GET /', 'Host: a.example.COM:80'],
        ['GET /', 'Host: example.com'],
        ['GET /', 'Host: b:80'],
        ['GET /', 'Host: b'],
      ],
      [true, false, true, false],
    ],
    [
      'prefix, suffix and presence of headers',
      '{headers: [{name: a, prefix: "1+"}, {name: b, suffix: "."}, {name: c}, {name: d, present: true}]}',
      [
        ['GET /', 'Host: h', 'A: 1+x', 'B: x.', 'C:', 'D: \xff'],
        ['GET /', 'Host: h', 'A: 11', 'B: x.', 'C: 1', 'D: 1'],
        ['GET /', 'Host: h', 'A: 1+', 'B: .', 'C: 1'],
      ],
      [true, false, false],
    ],
    ['presence of a parameter', '{query: [{name: q}]}', [['GET /?q'], ['GET /?qq=1']], [true, false]],
    [
      'all and any',
      '{path: {prefix: /a}, any: [{method: PUT}, {all: [{method: GET}, {headers: [{name: x, exact: "1"}]}]}]}',
      [['PUT /a'], ['GET /a'], ['GET /a', 'Host: h', 'X: 1'], ['PUT /b']],
      [true, false, true, false],
    ],
  ]
  for (const [what, match, requests, expected] of CASES) {
    const named = requests.map(([line, ...fields]): [string, ...string[]] =>
      fields.length === 0 ? [line, 'Host: h'] : [line, ...fields],
    )
    test(what, () => assert.deepEqual(holds(match, ...named), expected))
  }
  test('a host is compared before presence says more', () => {
    const [match] = onlyRule(routed('match: {host: a.test}')).matches
    assert.deepEqual((match as RouteMatch).headers, [
      { name: 'host', kind: 'regex', value: '(?is)a\\.test(:[0-9]*)?' },
    ])
  })
})

describe('direct responses and faults', () => {
  const read = (text: string) => onlyRule(routes(text))
  test('a response as it is written', () =>
    assert.deepEqual(read('{respond: {status: 503, contentType: a/b, body: "{}"}}').filters, [
      { kind: 'respond', status: 503, contentType: 'a/b', body: '{}' },
    ]))
  test('a body without type is plain text, and what has none has no type', () => {
    const type = 'text/plain; charset=utf-8'
    assert.deepEqual(read('{respond: {status: 200, body: é}}').filters, [
      { kind: 'respond', status: 200, contentType: type, body: 'é' },
    ])
    assert.deepEqual(read('{respond: {status: 204}}').filters, [{ kind: 'respond', status: 204, body: '' }])
  })
  test('an idle timeout, and the budget of retries as it is written or usual', () => {
    const rule = read(`{${TO}, timeout: {idle: 1m}, retry: {budget: {percent: 0.5, least: 0}}}`)
    assert.equal(rule.idleTimeout, 60_000)
    assert.deepEqual(rule.retry?.budget, { percent: 50, least: 0 })
    assert.deepEqual(read(`{${TO}, retry: {budget: {}}}`).retry?.budget, { percent: 2_000, least: 3 })
  })
  test('faults in hundredths of a percent and milliseconds', () =>
    assert.deepEqual(
      read(`{${TO}, fault: {abort: {status: 503, percent: 0.29}, delay: {duration: 1m, percent: 100}}}`)
        .fault,
      { abort: { status: 503, percent: 29 }, delay: { duration: 60_000, percent: 10_000 } },
    ))
})

test('routes of both languages for one service stand in one order, which is that of routes', () => {
  const http: TextFile = rules(`{matches: [{path: {type: Exact, value: /a}}], ${BACKEND}}`)
  const own = routes('{match: {path: {prefix: /a}}, to: [{service: b, port: 80}]}')
  const set = { policies: [], ...accepted(...apart(http, own)) }
  const of = { namespace: 'default', name: 'echo', port: 80 }
  const to = (target: string) => {
    const request = REQUEST(`GET ${target}`, 'Host: h')
    const outcome = evaluateRoute(set, { service: of, client: null, request }, 0)
    return outcome.kind === 'forward' ? outcome.service.name : outcome.kind
  }
  assert.deepEqual(['/a', '/a/b', '/c'].map(to), ['a', 'b', 'status'])
})

test('another namespace lets itself be sent to by a grant', () => {
  const own = routes('{to: [{service: a, namespace: other, port: 80}]}')
  const given = grant('other', 'default')
  const text = given.text.replace(
    'group: gateway.networking.k8s.io, kind: HTTPRoute',
    'group: heddle.dev, kind: MeshPolicy',
  )
  const found = accepted(...apart(own, { ...given, text })).routes
  assert.equal(found[0]?.rules[0]?.backends[0]?.service?.namespace, 'other')
})

test('a Service of the repository tells its ports', () => {
  const own = routes('{to: [{service: a, port: 80}]}')
  assert.equal(accepted(...apart(own, service('a', '{ports: [{port: 80}]}'))).routes.length, 1)
})
