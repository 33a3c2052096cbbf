import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Cors, preflightOf, withCors } from '../../../pipelines/policy/route-cors.ts'
import { evaluateRoute } from '../../../pipelines/policy/route-evaluate.ts'
import type { Field, RouteRule } from '../../../pipelines/policy/route.ts'
import { request } from './small-policies.ts'
import { backend, headers, route, routeRule, service } from './small-routes.ts'

const cors = (parts: Partial<Cors> = {}): Cors => ({
  kind: 'cors',
  origins: ['https://a.b'],
  credentials: false,
  methods: [],
  headers: [],
  expose: [],
  maxAge: 5,
  ...parts,
})
const A = ['Origin', 'https://a.b'] as [string, string]
const PUT = ['Access-Control-Request-Method', 'PUT'] as [string, string]
const asks = (text: string) => ['Access-Control-Request-Headers', text] as [string, string]
const shown = (fields: readonly Field[] | undefined) => fields?.map(({ name, value }) => `${name}: ${value}`)
const preflight = (filter: Cors, ...fields: [string, string][]) =>
  shown(preflightOf(filter, request('OPTIONS', '/', fields)))

describe('a preflight', () => {
  test('is answered with all that is allowed', () => {
    const all = { credentials: true, methods: ['PUT', 'GET'], headers: ['X-A', 'b'], expose: ['c', 'D'] }
    assert.deepEqual(preflight(cors({ ...all, maxAge: 60 }), A, PUT), [
      'Access-Control-Allow-Origin: https://a.b',
      'Access-Control-Allow-Credentials: true',
      'Access-Control-Expose-Headers: c, D',
      'Access-Control-Allow-Methods: PUT, GET',
      'Access-Control-Allow-Headers: X-A, b',
      'Access-Control-Max-Age: 60',
      'Vary: Origin',
    ])
  })
  for (const credentials of [true, false])
    test(`gets what it asks for where all is allowed, ${credentials ? 'with' : 'without'} credentials`, () => {
      const filter = cors({ credentials, methods: ['*'], headers: ['*'] })
      const rest = ['Access-Control-Max-Age: 5', 'Vary: Origin']
      const origin = ['Access-Control-Allow-Origin: https://a.b']
      if (credentials) origin.push('Access-Control-Allow-Credentials: true')
      const method = 'Access-Control-Allow-Methods: PUT'
      assert.deepEqual(preflight(filter, A, PUT), [...origin, method, ...rest])
      const named = preflight(filter, A, PUT, asks('x-a,,y'), asks('\tZ '))
      assert.deepEqual(named, [...origin, method, 'Access-Control-Allow-Headers: x-a, y, Z', ...rest])
      assert.deepEqual(preflight(filter, A, PUT, asks('x-a, b c')), [...origin, method, ...rest])
    })
  test('of an origin that is not allowed is told nothing', () =>
    assert.deepEqual(preflight(cors({ methods: ['*'] }), ['Origin', 'https://b'], PUT), ['Vary: Origin']))
  for (const [what, fields] of [
    ['without Origin', [PUT]],
    ['without a method', [A]],
    ['with two origins', [A, A, PUT]],
    ['with two methods', [A, PUT, PUT]],
    ['with what is no method', [A, ['Access-Control-Request-Method', 'P T']]],
  ] satisfies [string, [string, string][]][])
    test(`is none ${what}`, () => assert.equal(preflight(cors(), ...fields), undefined))
  test('is none by another method', () =>
    assert.equal(preflightOf(cors(), request('GET', '/', [A, PUT])), undefined))
})

describe('an origin', () => {
  const allowed = (pattern: string, origin: string) =>
    preflight(cors({ origins: [pattern] }), ['Origin', origin], PUT)?.[0]?.startsWith('Access-Control') ??
    false
  for (const [pattern, origin, holds] of [
    ['https://a.b', 'https://a.b', true],
    ['https://A.b', 'https://a.b', true],
    ['https://a.b', 'http://a.b', false],
    ['https://a.b:80', 'http://a.b', false],
    ['https://a.b', 'https://a.b.c', false],
    ['https://a.b', 'https://x.a.b', false],
    ['https://a.b', 'https://a.b:443', true],
    ['https://a.b', 'https://a.b:8443', false],
    ['http://a.b:80', 'http://a.b', true],
    ['http://a.b:8080', 'http://a.b:8080', true],
    ['https://*.a.b', 'https://x.a.b', true],
    ['https://*.a.b', 'https://x.y.a.b', true],
    ['https://*.a.b', 'https://a.b', false],
    ['https://*.a.b', 'https://.a.b', false],
    ['https://*.a.b', 'https://xa.b', false],
    ['https://*.a.b', 'https://x.a.b:8443', false],
    ['https://*', 'https://anything', true],
    ['https://*', 'https://[::1]', true],
    ['https://*', 'http://anything', false],
    ['https://*', 'https://evil/a', false],
    ['https://*', 'https://u@evil', false],
    ['https://*:8443', 'https://anything:8443', true],
    ['*', 'https://anything:1', true],
    ['*', 'null', true],
    ['https://*', 'null', false],
    ['*', 'a b', false],
  ] as const)
    test(`${origin} ${holds ? 'is' : 'is not'} among ${pattern}`, () =>
      assert.equal(allowed(pattern, origin), holds))
})

describe('a response', () => {
  const change = (filter: Cors, ...fields: [string, string][]) =>
    withCors({ drop: [], append: [] }, filter, request('GET', '/', fields))
  const GOVERNED = [
    'access-control-allow-credentials',
    'access-control-allow-origin',
    'access-control-expose-headers',
  ]
  test('says what its server said no more, and names the origin', () => {
    const found = change(cors({ credentials: true, expose: ['x'] }), A)
    assert.deepEqual(found.drop, GOVERNED)
    assert.deepEqual(shown(found.append), [
      'Access-Control-Allow-Origin: https://a.b',
      'Access-Control-Allow-Credentials: true',
      'Access-Control-Expose-Headers: x',
      'Vary: Origin',
    ])
  })
  test('to another origin, or to none, only says that it depends on it', () => {
    for (const fields of [[['Origin', 'https://b']], []] as [string, string][][])
      assert.deepEqual(shown(change(cors(), ...fields).append), ['Vary: Origin'])
  })
  test('is the same for all where all are allowed without credentials', () => {
    const all = cors({ origins: ['*'] })
    assert.deepEqual(shown(change(all, A).append), ['Access-Control-Allow-Origin: *'])
    const known = change(cors({ origins: ['*'], credentials: true }), A).append[0]
    assert.equal(known?.value, 'https://a.b')
  })
})

describe('in a rule', () => {
  const asked = (rule: RouteRule, method: string, ...fields: [string, string][]) => {
    const question = { service: service('echo'), client: null, request: request(method, '/', fields) }
    return evaluateRoute({ policies: [], routes: [route('r', [rule])] }, question, 0)
  }
  const outcome = (rule: RouteRule, method = 'OPTIONS') => asked(rule, method, A, PUT)
  test('a preflight needs no endpoint, but a backend', () => {
    const filters = [cors()]
    const kinds = [[backend('b')], [{ ...backend('b'), service: null }], []].map((backends) => {
      const { kind, ...rest } = outcome(routeRule({ filters, backends }))
      return 'reason' in rest ? rest.reason : kind
    })
    assert.deepEqual(kinds, ['preflight', 'unresolved', 'no-backend'])
  })
  test('a backend’s own filter stands instead of the rule’s', () => {
    const own = cors({ origins: [] })
    const found = outcome(routeRule({ filters: [cors()], backends: [backend('b', 1, [own])] }))
    assert.deepEqual(found.kind === 'preflight' && found.fields, [])
  })
  test('a redirect is permitted too, and its preflight never redirected', () => {
    const rule = routeRule({ filters: [{ kind: 'redirect', status: 302 }, cors()] })
    assert.equal(outcome(rule).kind, 'preflight')
    const found = outcome(rule, 'GET')
    assert.equal(found.kind === 'redirect' && found.response.append[0]?.value, 'https://a.b')
  })
  test('it has the last word over other filters of responses', () => {
    const set: [string, string][] = [
      ['access-control-allow-origin', 'x'],
      ['x-other', '1'],
    ]
    const filters = [cors(), headers('response-headers', { set })]
    const found = outcome(routeRule({ filters, backends: [backend('b')] }), 'GET')
    assert.deepEqual(found.kind === 'forward' && shown(found.response.append), [
      'x-other: 1',
      'Access-Control-Allow-Origin: https://a.b',
      'Vary: Origin',
    ])
  })
})
