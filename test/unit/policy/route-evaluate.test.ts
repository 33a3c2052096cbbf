import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Filter, type Redirect, RouteRule } from '../../../pipelines/policy/route.ts'
import { evaluateRoute, type RouteQuestion } from '../../../pipelines/policy/route-evaluate.ts'
import { locationOf } from '../../../pipelines/policy/route-redirect.ts'
import { request } from './small-policies.ts'
import { backend, headers, match, route, routeRule, service, to } from './small-routes.ts'

const question = (target: string, parts: Partial<RouteQuestion> = {}): RouteQuestion => ({
  service: service('echo'),
  client: 'default',
  request: request('GET', target),
  ...parts,
})
const asked = (rules: RouteRule[], parts: Partial<RouteQuestion> = {}, random = 0) =>
  evaluateRoute({ policies: [], routes: [route('r', rules)] }, question('/a/b', parts), random)
/** An outcome in a word. */
const word = (outcome: ReturnType<typeof asked>) => {
  if (outcome.kind === 'forward') return outcome.service.name
  if (outcome.kind === 'preflight') return 'preflight'
  if (outcome.kind === 'respond') return `${outcome.status} ${outcome.fault ?? outcome.body}`
  return outcome.kind === 'redirect' ? outcome.location : `${outcome.status} ${outcome.reason}`
}
const redirect = (parts: Partial<Redirect> = {}): Redirect => ({ kind: 'redirect', status: 302, ...parts })
const weighed = (...weights: number[]) => [
  routeRule({ backends: weights.map((weight, index) => backend(`b${index}`, weight)) }),
]

describe('where a request goes', () => {
  test('without a route: to the service itself, unchanged', () => {
    const outcome = evaluateRoute({ policies: [], routes: [] }, question('/'), 0)
    assert.deepEqual(outcome, {
      deciding: undefined,
      kind: 'forward',
      service: service('echo'),
      request: { path: null, host: null, headers: { drop: [], append: [] } },
      response: { drop: [], append: [] },
      requestTimeout: 0,
      backendTimeout: 0,
    })
  })
  test('where none matches: 404', () => assert.equal(word(asked([to('a', match('/x'))])), '404 no-match'))
  test('where the deciding match says, with its place', () => {
    const outcome = asked([to('a', match('/a', {}, 7)), to('b', match('=/a/b', {}, 9))])
    assert.equal(word(outcome), 'b')
    const source = { file: 'r.yaml', line: 9, column: 1 }
    assert.deepEqual(outcome.deciding, { route: 'r', namespace: 'default', source })
  })
  test('a client with routes of its own never meets those for everyone', () => {
    const own = route('own', [to('own', match('/own'))], { clients: 'shop' })
    const set = { policies: [], routes: [route('all', [to('all', match('/'))]), own] }
    const ask = (client: string) => word(evaluateRoute(set, question('/a', { client }), 0))
    assert.deepEqual([ask('default'), ask('shop')], ['all', '404 no-match'])
  })
  test('timeouts go with it', () => {
    const outcome = asked([routeRule({ backends: [backend('a')], requestTimeout: 10, backendTimeout: 5 })])
    assert.ok(outcome.kind === 'forward')
    assert.deepEqual([outcome.requestTimeout, outcome.backendTimeout], [10, 5])
  })
})

const unresolved = (weight: number) => ({ ...backend('x', weight), service: null })
const LAST = 0xffff_ffff
const CHOICES: [says: string, rules: RouteRule[], random: number, word: string][] = [
  ['no backend', weighed(), 0, '500 no-backend'],
  ['no weight', weighed(0, 0), 0, '500 no-backend'],
  ['one backend, the last number', weighed(1), LAST, 'b0'],
  ['weight 0 is skipped at the start', weighed(0, 1), 0, 'b1'],
  ['weight 0 is skipped at the end', weighed(1, 0), LAST, 'b0'],
  ['the last number below a boundary', weighed(1, 1), 0x7fff_ffff, 'b0'],
  ['the first number at a boundary', weighed(1, 1), 0x8000_0000, 'b1'],
  ['the largest weights', weighed(...Array<number>(16).fill(1_000_000)), LAST, 'b15'],
  ['a third, below', weighed(1, 2), 0x5555_5555, 'b0'],
  ['a third, above', weighed(1, 2), 0x5555_5556, 'b1'],
  [
    'the share of what cannot be followed',
    [routeRule({ backends: [backend('a'), unresolved(1)] })],
    LAST,
    '500 unresolved',
  ],
  ['and not more', [routeRule({ backends: [backend('a'), unresolved(1)] })], 0, 'a'],
]
describe('among backends', () => {
  for (const [says, rules, random, expected] of CHOICES) {
    test(`${says}: ${expected}`, () => assert.equal(word(asked(rules, {}, random)), expected))
  }
  test('weights are kept over all numbers', () => {
    const hits = new Map<string, number>()
    for (let index = 0; index < 1000; index++) {
      const name = word(asked(weighed(70, 30, 0), {}, Math.ceil((index * 0x1_0000_0000) / 1000)))
      hits.set(name, (hits.get(name) ?? 0) + 1)
    }
    assert.deepEqual([...hits].sort(), [
      ['b0', 700],
      ['b1', 300],
    ])
  })
  test('a service that is not there: 500; that nobody serves: 503', () => {
    assert.equal(word(asked([to('a', match('/'))], { endpoints: () => 'unknown' })), '500 unresolved')
    assert.equal(word(asked([to('a', match('/'))], { endpoints: () => 'none' })), '503 no-endpoint')
    const none = evaluateRoute({ policies: [], routes: [] }, question('/', { endpoints: () => 'none' }), 0)
    assert.equal(word(none), '503 no-endpoint')
  })
})

describe('filters', () => {
  const add = (value: string) => headers('request-headers', { add: [['x', value]] })
  test("the rule's come first, then those of the chosen backend alone", () => {
    const backends = [backend('a', 1, [add('a')]), backend('b', 1, [add('b')])]
    const outcome = asked([routeRule({ filters: [add('rule')], backends })], {}, LAST)
    assert.ok(outcome.kind === 'forward')
    assert.deepEqual(
      outcome.request.headers.append.map(({ value }) => value),
      ['rule', 'b'],
    )
  })
  test('a redirect of the rule needs no backend, and changes its own response', () => {
    const response = headers('response-headers', { add: [['x', 'y']] })
    const outcome = asked([routeRule({ filters: [redirect({ status: 301 }), response] })])
    assert.ok(outcome.kind === 'redirect')
    assert.equal(outcome.status, 301)
    assert.deepEqual(outcome.response, { drop: [], append: [{ name: 'x', value: 'y' }] })
  })
  test("a redirect of a backend is for that backend's share", () => {
    const rules = [routeRule({ backends: [backend('a'), backend('b', 1, [redirect()])] })]
    assert.deepEqual([word(asked(rules, {}, 0)), word(asked(rules, {}, LAST))], ['a', 'http://x/a/b'])
  })
  test('filters of a backend that cannot be followed are not done', () => {
    const gone = { ...backend('a', 1, [redirect()]), service: null }
    assert.equal(word(asked([routeRule({ backends: [gone] })])), '500 unresolved')
  })
  test('a prefix is replaced by the match that decided', () => {
    const rewrite: Filter = { kind: 'rewrite', path: { kind: 'prefix', value: '/n' } }
    const matches = [match('/a/b'), match('/a')]
    const change = (target: string) => {
      const outcome = asked([routeRule({ matches, filters: [rewrite], backends: [backend('a')] })], {
        request: request('GET', target),
      })
      return outcome.kind === 'forward' ? outcome.request.path : undefined
    }
    assert.deepEqual(change('/a/b/c'), { kind: 'prefix', length: 4, value: '/n' })
    assert.deepEqual(change('/a/c'), { kind: 'prefix', length: 2, value: '/n' })
  })
  test('a prefix is replaced only where all matches are by prefix', () => {
    const filters: Filter[] = [redirect({ path: { kind: 'prefix', value: '/' } })]
    assert.ok(!RouteRule.safeParse(routeRule({ matches: [match('/a'), match('=/b')], filters })).success)
    assert.ok(RouteRule.safeParse(routeRule({ matches: [match('/a')], filters })).success)
    const backends = [backend('a', 1, filters)]
    assert.ok(!RouteRule.safeParse(routeRule({ matches: [match('~/b')], backends })).success)
  })
})

describe('Location', () => {
  type Row = [
    says: string,
    redirect: Partial<Redirect>,
    port: number,
    target: string,
    host: string,
    url: string,
  ]
  const TABLE: Row[] = [
    ['the port of the service', {}, 8080, '/a?b', 'echo', 'http://echo:8080/a?b'],
    ['no well-known port', {}, 80, '/a', 'echo', 'http://echo/a'],
    ['not the port that Host names', {}, 80, '/a', 'echo:8080', 'http://echo/a'],
    ['another port', { port: 8443 }, 80, '/', 'echo', 'http://echo:8443/'],
    ['a well-known port that is asked for', { port: 80 }, 8080, '/', 'echo', 'http://echo/'],
    ['a scheme has its own port', { scheme: 'https' }, 8080, '/', 'echo', 'https://echo/'],
    ['the same scheme has it too', { scheme: 'http' }, 8080, '/', 'echo', 'http://echo/'],
    ['443 is not well-known for http', { port: 443 }, 80, '/', 'echo', 'http://echo:443/'],
    ['80 is not well-known for https', { scheme: 'https', port: 80 }, 80, '/', 'e', 'https://e:80/'],
    ['a host', { host: 'new.example' }, 80, '/a', 'echo:1', 'http://new.example/a'],
    ['an IPv6 host', {}, 8080, '/', '[::1]:8080', 'http://[::1]:8080/'],
    ['an IPv6 host without port', {}, 80, '/', '[::1]', 'http://[::1]/'],
    ['a whole path', { path: { kind: 'full', value: '/n' } }, 80, '/a/b?q', 'e', 'http://e/n?q'],
    ['a prefix', { path: { kind: 'prefix', value: '/n' } }, 80, '/a/b?q', 'e', 'http://e/n/b?q'],
    ['a query that is empty', {}, 80, '/a?', 'e', 'http://e/a?'],
    ['OPTIONS *', {}, 80, '*', 'e', 'http://e/'],
    ['an empty Host', {}, 80, '/', '', 'http://echo.default/'],
  ]
  for (const [says, parts, port, target, host, url] of TABLE) {
    test(`${says}: ${url}`, () => {
      const asker = { request: request('GET', target, [['Host', host]]), service: service('echo', port) }
      assert.equal(locationOf(redirect(parts), match('/a'), asker), url)
    })
  }
  test('no Host at all', () => {
    const asker = { request: request('GET', '/', []), service: service('echo') }
    assert.equal(locationOf(redirect(), match('/'), asker), 'http://echo.default/')
  })
})
