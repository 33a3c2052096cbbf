import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { routeSetFor, routeSets } from '../../../pipelines/tables/route-sets.ts'
import { match, route, service, to } from '../policy/small-routes.ts'

const of = (name: string, port: number | null, clients: string | null) =>
  route(name, [to('b', match('/'))], { service: { namespace: 'default', name: 'echo', port }, clients })

const { entries, sets } = routeSets([
  of('all', null, null),
  of('port', 8080, null),
  of('red', null, 'red'),
  of('blue-port', 9090, 'blue'),
])
/** Names of the routes that a client meets; null = the service has none for it. */
const met = (port: number, client: string | null, name = 'echo') => {
  const number = routeSetFor(entries, service(name, port), client)
  return number === undefined ? null : sets[number]?.candidates.map((each) => each.route.name).join()
}

describe('whose routes a client meets', () => {
  for (const [port, client, expected] of [
    [80, null, 'all'],
    [80, 'green', 'all'],
    [8080, 'green', 'all,port'],
    [80, 'red', 'red'],
    [8080, 'red', 'red'],
    [9090, 'blue', 'blue-port'],
    [80, 'blue', 'all'],
    [9090, 'green', 'all'],
  ] as const)
    test(`${client ?? 'nobody known'} at port ${port}: ${expected}`, () =>
      assert.equal(met(port, client), expected))
  test('a service without routes has none', () => assert.equal(met(80, null, 'other'), null))
  test('what is the same for several is one set', () => {
    assert.equal(sets.length, 4)
    assert.ok(entries.length > sets.length)
  })
  test('routes for one namespace only leave the others to the service itself', () => {
    const own = routeSets([of('red', null, 'red')])
    assert.equal(routeSetFor(own.entries, service('echo'), 'green'), undefined)
    assert.equal(routeSetFor(own.entries, service('echo'), null), undefined)
    assert.equal(routeSetFor(own.entries, service('echo'), 'red'), 0)
  })
})
