import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Fault, Filter, Route, RouteRule } from '../../../pipelines/policy/route.ts'
import { buildTables, type Tables } from '../../../pipelines/tables/build-tables.ts'
import {
  MAX_DIMS,
  ROUTE_BACKENDS_LOG2,
  ROUTE_CORS,
  ROUTE_FAST,
  ROUTE_FAULT,
  ROUTE_MAX_NAMES,
  ROUTE_MAX_TEXT,
  ROUTE_RETRY,
  ROUTE_TEXT,
  ROUTE_TIMEOUT,
} from '../../../pipelines/tables/layout.ts'
import { routeSetFor } from '../../../pipelines/tables/route-sets.ts'
import { RouteWalker } from '../../../pipelines/tables/route-walk.ts'
import { TablesWalker } from '../../../pipelines/tables/walk.ts'
import { request } from '../policy/small-policies.ts'
import { backend, exact, headers, match, route, routeRule, service, to } from '../policy/small-routes.ts'

const MANY = process.env['HEDDLE_DEEP'] === '1' ? 10_000 : 2_000
const LISTS = { origins: [], methods: [], headers: [], expose: [] }
const CORS = { kind: 'cors' as const, ...LISTS, credentials: false, maxAge: 5 }

const build = (routes: Route[]) => buildTables({ policies: [], routes })
const built = (routes: Route[]): Tables => {
  const result = build(routes)
  assert.ok(result.ok, result.ok ? '' : result.failures[0]?.message)
  return result.tables
}
const refused = (rules: RouteRule[]): string => {
  const result = build([route('r', rules)])
  assert.ok(!result.ok)
  return `${result.failures[0]?.code}: ${result.failures[0]?.message}`
}
const walkerOf = ({ blob }: Tables) => new RouteWalker(new TablesWalker(blob))
const filtered = (filter: Filter) => [routeRule({ backends: [backend('b')], filters: [filter] })]

/** Why the kernel leaves GET / to the relay. */
const reasonOf = (rules: RouteRule[]) => walkerOf(built([route('r', rules)])).slow(0, request('GET', '/'))

describe('what routes may ask', () => {
  test('as many headers and parameters as there are dimensions, and not one more', () => {
    const asks = (count: number) =>
      Array.from({ length: count }, (_, i) => {
        const named = [exact(`n-${i}`, '1')]
        return to('b', match('/', i % 2 === 0 ? { headers: named } : { query: named }, i + 1))
      })
    assert.ok(build([route('r', asks(MAX_DIMS - 2))]).ok)
    assert.match(refused(asks(MAX_DIMS - 1)), /^limit-exceeded: r\.yaml:62:1: query parameter n-61/)
  })
  test('combinations that multiply are refused, in bounded time', () => {
    const rules = Array.from({ length: 400 }, (_, i) => {
      const named = [0, 1, 2, 3, 4, 5].map((n) => exact(`x-${(i * 7 + n * (3 + (i % 11))) % 40}`, `${i % 3}`))
      const distinct = [...new Map(named.map((each) => [each.name, each])).values()]
      return to(`b${i}`, match('/', { headers: distinct }))
    })
    assert.match(refused(rules), /^limit-exceeded: methods, headers and query parameters/)
  })
  test('a pattern that is no RE2 is refused by its place', () =>
    assert.match(refused([to('b', match('~/(?=a)', {}, 7))]), /^expression-invalid: r\.yaml:7:1: /))
})

describe('what routes may write', () => {
  const sets = (count: number, value = 'v') =>
    filtered(
      headers('request-headers', {
        set: Array.from({ length: count }, (_, i): [string, string] => [`X-${i}`, value]),
      }),
    )
  test('what the kernel writes in one go is its own; more is the relay’s', () => {
    assert.equal(reasonOf(sets(ROUTE_MAX_NAMES)), ROUTE_FAST)
    assert.equal(reasonOf(sets(ROUTE_MAX_NAMES + 1)), ROUTE_TEXT)
    // "X-0: " and CR LF
    assert.equal(reasonOf(sets(1, 'v'.repeat(ROUTE_MAX_TEXT - 7))), ROUTE_FAST)
    assert.equal(reasonOf(sets(1, 'v'.repeat(ROUTE_MAX_TEXT - 6))), ROUTE_TEXT)
  })
  test('a rule with a timeout is the relay’s', () => {
    assert.equal(reasonOf([routeRule({ requestTimeout: 1 })]), ROUTE_TIMEOUT)
    assert.equal(reasonOf([routeRule({ backendTimeout: 1 })]), ROUTE_TIMEOUT)
    const idle = [routeRule({ backends: [backend('b')], idleTimeout: 1 })]
    assert.equal(reasonOf(idle), ROUTE_TIMEOUT)
  })
  test('so is one that has requests sent again, or answers other origins', () => {
    assert.equal(reasonOf([routeRule({ retry: { codes: [], attempts: 1, backoff: 0 } })]), ROUTE_RETRY)
    assert.equal(reasonOf(filtered(CORS)), ROUTE_CORS)
    assert.equal(reasonOf([routeRule({ backends: [backend('b', 1, [CORS])] })]), ROUTE_CORS)
  })
  test('a direct response that the kernel writes in one go is its own', () => {
    const answering = (bytes: number) =>
      filtered({ kind: 'respond', status: 200, contentType: 'a/b', body: 'x'.repeat(bytes) })
    assert.equal(reasonOf(answering(ROUTE_MAX_TEXT)), ROUTE_FAST)
    assert.equal(reasonOf(answering(ROUTE_MAX_TEXT + 1)), ROUTE_TEXT)
  })
  test('an abort is the kernel’s, a wait is the relay’s', () => {
    const failing = (fault: Fault) => [routeRule({ backends: [backend('b')], fault })]
    const delay = { duration: 1, percent: 1 }
    assert.equal(reasonOf(failing({ abort: { status: 500, percent: 5_000 } })), ROUTE_FAST)
    assert.equal(reasonOf(failing({ abort: { status: 500, percent: 5_000 }, delay })), ROUTE_FAULT)
    assert.equal(reasonOf(failing({ delay: { ...delay, percent: 0 } })), ROUTE_FAST)
  })
  test('weights beside an abort that can not be added up are refused', () => {
    const backends = [backend('a', 999_983), backend('b', 999_979)]
    const fault = { abort: { status: 500, percent: 7 } }
    assert.match(refused([routeRule({ backends, fault })]), /^limit-exceeded: r\.yaml:1:1: weights beside/)
  })
  for (const [what, filter] of [
    ['a line in an origin', { ...CORS, origins: ['http://a\n'] }],
    ['a blank in a method', { ...CORS, methods: ['A B'] }],
    ['a line in a header', { ...CORS, headers: ['a\r\nb'] }],
    ['an exposed header without a name', { ...CORS, expose: [''] }],
    ['a length', headers('request-headers', { set: [['Content-Length', '1']] })],
    ['a host by name', headers('request-headers', { remove: ['host'] })],
    ['a second line in a value', headers('request-headers', { add: [['x', 'a\r\nb: c']] })],
    ['a second line in a name', headers('response-headers', { add: [['x: y\r\nb', 'c']] })],
    ['a blank in a path', { kind: 'rewrite', path: { kind: 'full', value: '/a b' } }],
    ['a line in a host', { kind: 'rewrite', host: 'a\r\nb: c' }],
    ['a line in a type', { kind: 'respond', status: 200, contentType: 'a\r\nb: c', body: '' }],
    ['a line in a redirect', { kind: 'redirect', status: 302, host: 'a\r\nb: c' }],
  ] satisfies [string, Filter][])
    test(`${what} is refused`, () =>
      assert.match(refused(filtered(filter)), /^unsupported-feature: r\.yaml:1:1: /))
  test('as many backends as a search takes steps for, and not one more', () => {
    const count = 2 ** ROUTE_BACKENDS_LOG2
    const rules = (of: number) => [
      routeRule({ backends: Array.from({ length: of }, (_, i) => backend(`b${i}`)) }),
    ]
    const tables = built([route('r', rules(count))])
    const walker = walkerOf(tables)
    const step = walker.follow(0, { request: request('GET', '/'), port: 80 }, 0xffff_ffff)
    assert.ok(step.kind === 'forward' && tables.services[step.service]?.name === `b${count - 1}`)
    assert.match(refused(rules(count + 1)), /^limit-exceeded: r\.yaml:1:1: /)
  })
})

test('shares of requests are the weights, and no weight is no request', () => {
  const weights = [0, 3, 0, 5, 1_000_000, 0]
  const tables = built([
    route('r', [routeRule({ backends: weights.map((weight, i) => backend(`b${i}`, weight)) })]),
  ])
  const walker = walkerOf(tables)
  const chosen = (random: number) => {
    const step = walker.follow(0, { request: request('GET', '/'), port: 80 }, random)
    return step.kind === 'forward' ? tables.services[step.service]?.name : step.kind
  }
  // The first random number of each share: its share of all 2^32 is exact to one.
  const sum = weights.reduce((a, b) => a + b)
  const first = (weight: number) => Math.ceil((weight * 2 ** 32) / sum)
  assert.deepEqual([0, first(3) - 1, first(3), first(8) - 1, first(8), 2 ** 32 - 1].map(chosen), [
    'b1',
    'b1',
    'b3',
    'b3',
    'b4',
    'b4',
  ])
})

describe(`${MANY} routes`, () => {
  const rules = Array.from({ length: MANY }, (_, i) =>
    to(`b${i}`, match(i % 2 === 0 ? `/shop-${i}/cart` : `=/shop-${i}/cart`)),
  )
  test('of one service are decided each', () => {
    const tables = built([route('r', rules)])
    assert.ok(tables.words < 2 ** 20, `${tables.words} words`)
    const walker = walkerOf(tables)
    const goes = (path: string) => {
      const step = walker.follow(0, { request: request('GET', path), port: 80 }, 0)
      return step.kind === 'forward' ? tables.services[step.service]?.name : step.kind
    }
    for (let i = 0; i < MANY; i += 97) {
      assert.equal(goes(`/shop-${i}/cart?a=b`), `b${i}`)
      assert.equal(goes(`/shop-${i}/cart/1`), i % 2 === 0 ? `b${i}` : 'status')
    }
  })
  test('of as many services are a set each, and one shape is one automaton', () => {
    const routes = (count: number) =>
      Array.from({ length: count }, (_, i) =>
        route(`r${i}`, [to(`b${i}`, match('/'))], {
          service: { namespace: 'default', name: `s${i}`, port: null },
        }),
      )
    const [few, many] = [built(routes(10)), built(routes(1_010))]
    assert.equal(many.routes.length, 1_010)
    assert.ok((many.words - few.words) / 1_000 < 24, `${many.words - few.words} words more`)
    const set = routeSetFor(many.routes, service('s777'), null) as number
    const step = walkerOf(many).follow(set, { request: request('GET', '/x'), port: 80 }, 0)
    assert.ok(step.kind === 'forward')
    assert.deepEqual(many.services[step.service], service('b777'))
  })
})

test('services that differ in their paths alone are told apart', () => {
  const own = (name: string, path: string) =>
    route(name, [to('b', match(path))], { service: { namespace: 'default', name, port: null } })
  const tables = built([own('one', '/a'), own('two', '/b')])
  const walker = walkerOf(tables)
  const takes = (name: string, path: string) =>
    walker.find(routeSetFor(tables.routes, service(name), null) as number, request('GET', path)) !== undefined
  assert.deepEqual(
    [takes('one', '/a'), takes('one', '/b'), takes('two', '/a'), takes('two', '/b')],
    [true, false, false, true],
  )
})

test('one set of routes has one blob', () => {
  const routes = [route('r', [to('b', match('/a', { query: [exact('q', '1')] })), to('c', match('~/a.*'))])]
  const [first, second] = [built(routes), built(structuredClone(routes))]
  assert.deepEqual(first.blob, second.blob)
})
