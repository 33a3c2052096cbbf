import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { RouteContent } from '../../../agent/ports.ts'
import { routeContentFor } from '../../../agent/route-choices.ts'
import type { IdentityEntry } from '../../../agent/state.ts'
import { Limit } from '../../../bpf/abi/heddle.gen.ts'
import type { RouteEntry } from '../../../pipelines/contract/artifact.ts'
import { routeSetFor } from '../../../pipelines/tables/route-sets.ts'

const SEED = 20_261_123

function entry(port: number | null, clients: string | null, set: number, name = 'web'): RouteEntry {
  return { service: { namespace: 'shop', name, port }, clients, set }
}
const identity = (number: number, namespace: string): IdentityEntry => ({ number, namespace, labels: {} })
const numbers = new Map([
  ['shop/web:80', 1],
  ['shop/web:8080', 2],
  ['shop/web2:80', 3],
  ['data/web:80', 4],
])
const live = { numbers, identities: [identity(1, 'red'), identity(2, 'blue'), identity(3, 'red')] }
/** Service, identity, set; with `own` where a reader has to look again. */
const shown = ({ choices }: RouteContent) =>
  choices.map(({ service, identity: client, set, own }) => [service, client, set, ...(own ? ['own'] : [])])

const cases: [string, RouteEntry[], unknown[]][] = [
  ['no routes', [], []],
  ['a port of a service', [entry(80, null, 7)], [[1, 0, 7]]],
  [
    'every port of a service, and of no other whose name begins with its',
    [entry(null, null, 7)],
    [
      [1, 0, 7],
      [2, 0, 7],
    ],
  ],
  [
    'every port that no other entry names',
    [entry(null, null, 7), entry(80, null, 0)],
    [
      [1, 0, 0],
      [2, 0, 7],
    ],
  ],
  [
    'a port that is named for some clients only has no routes for the others',
    [entry(null, null, 7), entry(80, 'blue', 0)],
    [
      [1, 2, 0],
      [1, 0, null, 'own'],
      [2, 0, 7],
    ],
  ],
  [
    'clients of a namespace, each identity of it, before what sends a reader to them',
    [entry(80, null, 7), entry(80, 'red', 0)],
    [
      [1, 1, 0],
      [1, 3, 0],
      [1, 0, 7, 'own'],
    ],
  ],
  [
    'clients of two namespaces',
    [entry(80, 'blue', 5), entry(80, 'red', 6)],
    [
      [1, 2, 5],
      [1, 1, 6],
      [1, 3, 6],
      [1, 0, null, 'own'],
    ],
  ],
  ['clients of which this node knows none', [entry(80, null, 7), entry(80, 'green', 0)], [[1, 0, 7]]],
  ['only such clients: nobody has routes', [entry(80, 'green', 0)], [[1, 0, null]]],
  ['a service, or a port, that has no number', [entry(443, null, 7), entry(null, null, 7, 'gone')], []],
  ['the same name in another namespace is another service', [entry(null, null, 7, 'web2')], [[3, 0, 7]]],
]

describe('choices of routes', () => {
  for (const [name, routes, expected] of cases)
    test(name, () => assert.deepEqual(shown(routeContentFor({ services: [], routes }, live)), expected))

  test('are read as the manifest is, by clients of every identity', () => {
    const ports = [null, 80, 8080]
    const some = fc.record({ port: fc.constantFrom(...ports), clients: fc.constantFrom(null, 'red', 'blue') })
    const distinct = fc.uniqueArray(some, { selector: (each) => `${each.port} ${each.clients}` })
    fc.assert(
      fc.property(distinct, (found) => {
        const routes = found.map(({ port, clients }, set) => entry(port, clients, set))
        const content = routeContentFor({ services: [], routes }, live)
        for (const port of [80, 8080])
          for (const client of [null, ...live.identities])
            assert.equal(
              setFor(content, numbers.get(`shop/web:${port}`) ?? 0, client?.number ?? 0),
              routeSetFor(routes, { namespace: 'shop', name: 'web', port }, client?.namespace ?? null),
            )
      }),
      { seed: SEED, numRuns: 500 },
    )
  })
})

/** As set_for() of client-route.h. */
function setFor({ choices }: RouteContent, service: number, client: number): number | undefined {
  const found = (of: number) => choices.find((each) => each.service === service && each.identity === of)
  const common = found(0)
  const own = common?.own && client !== 0 ? found(client) : undefined
  return (own ?? common)?.set ?? undefined
}

test('a backend leads to the number of its service port; null = this node has none for it', () => {
  const port = (name: string, number: number) => ({ namespace: 'shop', name, port: number })
  const services = [port('web', 8080), port('web', 443), port('web2', 80)]
  assert.deepEqual(routeContentFor({ services, routes: [] }, live), { choices: [], backends: [2, null, 3] })
})

describe('limits', () => {
  const refused = (message: RegExp) => (error: { code: string; message: string }) => {
    assert.equal(error.code, 'limit-exceeded')
    assert.match(error.message, message)
    return true
  }

  test('all keys of the map are used, and not one more: the service is named', () => {
    const ports = [1, 2, 3, 4]
    const full = Limit.MAX_ROUTE_KEYS / ports.length
    const known = ports.map((port): [string, number] => [`shop/web:${port}`, port])
    const identities = Array.from({ length: full - 1 }, (_, index) => identity(index + 1, 'red'))
    const routes = [entry(null, 'red', 0), entry(null, null, 0, 'last')]
    const content = (of: [string, number][]) =>
      routeContentFor({ services: [], routes }, { numbers: new Map(of), identities })
    assert.equal(content(known).choices.length, Limit.MAX_ROUTE_KEYS)
    assert.throws(() => content([...known, ['shop/last:80', 5]]), refused(/^at shop\/last:80 .* 65536/))
  })

  test('backends are as many as there can be services', () => {
    const services = Array.from({ length: Limit.MAX_SERVICES }, (_, index) => {
      return { namespace: 'shop', name: 'web', port: index + 1 }
    })
    assert.equal(routeContentFor({ services, routes: [] }, live).backends.length, Limit.MAX_SERVICES)
    const more = [...services, { namespace: 'shop', name: 'more', port: 1 }]
    assert.throws(() => routeContentFor({ services: more, routes: [] }, live), refused(/4097/))
  })
})
