import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Route } from '../../../pipelines/policy/route.ts'
import { inPrecedence, routesFor } from '../../../pipelines/policy/route-precedence.ts'
import { exact, match, route, service, to } from './small-routes.ts'

describe('which match is asked first', () => {
  const twoHeaders = [exact('a', '1'), exact('b', '2')]
  /** Each before all that follow, whatever their order in the route. */
  const ORDER = [
    match('=/x'),
    match('~/xx.*'),
    match('~/x.*'),
    match('/xx', { method: 'GET' }),
    match('/xx'),
    match('/x', { method: 'GET', headers: [exact('a', '1')] }),
    match('/x', { method: 'GET', query: twoHeaders }),
    match('/x', { headers: twoHeaders }),
    match('/x', { headers: [exact('a', '1')], query: twoHeaders }),
    match('/x', { headers: [exact('a', '1')], query: [exact('a', '1')] }),
    match('/x', { query: [exact('a', '1')] }),
    match('/x'),
    match('/'),
  ]
  test('exact path, expression, prefix; the longer; method; more headers; more parameters', () => {
    const shuffled = [...ORDER.keys()].sort((a, b) => ((a * 5) % 13) - ((b * 5) % 13))
    const rules = shuffled.map((index) => to(String(index), ORDER[index] as (typeof ORDER)[0]))
    const found = inPrecedence([route('r', rules)]).map(({ rule }) => rule.backends[0]?.service?.name)
    assert.deepEqual(found, [...ORDER.keys()].map(String))
  })

  const first = (...routes: Route[]) => inPrecedence(routes)[0]?.rule.backends[0]?.service?.name
  test('then the oldest route, whatever its zone; unknown age is young', () => {
    const older = { created: '2026-01-01T02:00:00+02:00' }
    const newer = { created: '2026-01-01T00:00:01Z' }
    assert.equal(
      first(route('a', [to('n', match('/'))], newer), route('b', [to('o', match('/'))], older)),
      'o',
    )
    assert.equal(first(route('a', [to('u', match('/'))]), route('b', [to('n', match('/'))], newer)), 'n')
  })
  test('then the first namespace/name', () => {
    const inNamespace = (namespace: string, name: string) =>
      route(name, [to(`${namespace}-${name}`, match('/'))], { namespace })
    assert.equal(first(inNamespace('b', 'a'), inNamespace('a', 'b')), 'a-b')
    assert.equal(first(inNamespace('a', 'b'), inNamespace('a', 'a')), 'a-a')
  })
  test('then the first rule, and its first match', () => {
    const rules = [to('one', match('/', {}, 7), match('/', {}, 8)), to('two', match('/'))]
    const [decides] = inPrecedence([route('r', rules)])
    assert.equal(decides?.rule.backends[0]?.service?.name, 'one')
    assert.equal(decides?.match.source.line, 7)
  })
  test('age is asked only of equal matches', () => {
    const old = route('a', [to('o', match('/'))], { created: '2020-01-01T00:00:00Z' })
    assert.equal(first(old, route('b', [to('longer', match('/a'))])), 'longer')
  })
})

describe('routes that a client meets', () => {
  const echo = (port: number | null) => ({ service: { namespace: 'default', name: 'echo', port } })
  const routes = [
    route('every-port', [], echo(null)),
    route('port-80', [], echo(80)),
    route('port-81', [], echo(81)),
    route('other-service', [], { service: { namespace: 'default', name: 'other', port: null } }),
    route('other-namespace', [], { service: { namespace: 'shop', name: 'echo', port: null } }),
    route('of-shop', [], { ...echo(80), namespace: 'shop', clients: 'shop' }),
  ]
  const names = (port: number, client: string | null) =>
    routesFor({ policies: [], routes }, service('echo', port), client).map(({ name }) => name)

  test('of the service and port, or of every port', () => {
    assert.deepEqual(names(80, 'default'), ['every-port', 'port-80'])
    assert.deepEqual(names(82, 'default'), ['every-port'])
  })
  test("its own namespace's routes stand instead of those for everyone", () => {
    assert.deepEqual(names(80, 'shop'), ['of-shop'])
  })
  test('where its namespace has none, those for everyone', () => {
    assert.deepEqual(names(81, 'shop'), ['every-port', 'port-81'])
    assert.deepEqual(names(80, null), ['every-port', 'port-80'])
  })
})
