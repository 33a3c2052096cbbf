/** What a reader can see between any two stores, and how numbers keep their meaning. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { EndpointEntry, OutboundContent, OutboundStore, ServiceWish } from '../../../agent/ports.ts'
import { nothingRests, Places, REST_MS, type Resting, restFrom } from '../../../agent/service-runs.ts'
import { forgettable, leftEndpoints, storesFor, storesToForget } from '../../../agent/service-stores.ts'
import { assignServices, recognisedServices } from '../../../agent/service-numbers.ts'
import { Limit } from '../../../bpf/abi/heddle.gen.ts'
import { apply, contentOf, emptyOutbound, type MemoryOutbound } from '../../fakes/memory-outbound.ts'

const SEED = 20261123
/** How much of a sample is taken. */
const PART = process.env['HEDDLE_DEEP'] === '1' ? 10 : 0.2

function endpoint(host: number, weight = 1): EndpointEntry {
  return { address: `10.0.0.${host}`, port: 80, local: host < 3, weight }
}

function wish(number: number, hosts: number[], address = `10.96.0.${number}`): ServiceWish {
  const endpoints = hosts.map((host) => endpoint(host))
  const local = hosts.filter((host) => host < 3).length
  return { number, addresses: [{ address, port: 80 }], endpoints, local, zone: local }
}

/** What a connection to this address can reach, as a reader of the maps sees it. */
function reach(content: OutboundContent, address: string): string[] | undefined {
  const service = content.addresses.find((each) => each.address === address)?.service
  const state = service === undefined ? undefined : content.services.get(service)
  if (service === undefined) return undefined
  return state === undefined ? [] : run(content, state.first, state.count)
}

function run({ members, endpoints }: OutboundContent, first: number, count: number): string[] {
  return Array.from({ length: count }, (_, place) => {
    const number = members[first + place] ?? 0
    return endpoints.get(number)?.address ?? `nowhere (${number})`
  })
}

function publish(
  maps: MemoryOutbound,
  wishes: ServiceWish[],
  resting: Resting,
  now: number,
): OutboundStore[] {
  const stores = storesFor(contentOf(maps), wishes, resting, now)
  for (const store of stores) apply(maps, store)
  return stores
}

describe('stores', () => {
  test('a new service: its endpoints, their run, the one store that makes it, its address', () => {
    const stores = storesFor(contentOf(emptyOutbound()), [wish(1, [1, 2, 3])], nothingRests(), 0)
    assert.deepEqual(
      stores.map(({ map }) => map),
      [
        'births',
        'endpoints',
        'births',
        'endpoints',
        'births',
        'endpoints',
        'shares',
        'members',
        'services',
        'service_addresses',
      ],
    )
    assert.deepEqual(stores[8], {
      map: 'services',
      number: 1,
      state: { first: 0, count: 3, local: 2, zone: 2 },
    })
  })

  test('what is there already is not stored again', () => {
    const maps = emptyOutbound()
    publish(maps, [wish(1, [1, 2]), wish(2, [])], nothingRests(), 0)
    assert.deepEqual(publish(maps, [wish(1, [1, 2]), wish(2, [])], nothingRests(), 0), [])
  })

  test('a service that goes: its address first', () => {
    const maps = emptyOutbound()
    publish(maps, [wish(1, [1])], nothingRests(), 0)
    const stores = publish(maps, [], nothingRests(), 0)
    assert.deepEqual(
      stores.map(({ map }) => map),
      ['service_addresses', 'services', 'endpoints'],
    )
  })

  test('a service that loses its last endpoint keeps its address and has none', () => {
    const maps = emptyOutbound()
    publish(maps, [wish(1, [1])], nothingRests(), 0)
    publish(maps, [wish(1, [])], nothingRests(), 0)
    assert.deepEqual(reach(contentOf(maps), '10.96.0.1'), [])
    assert.equal(maps.endpoints[1]?.weight, 0, 'who is on it already still knows where it is')
  })

  test('an address that moves to another service leads somewhere all the time', () => {
    const maps = emptyOutbound()
    publish(maps, [wish(1, [1], '10.96.0.9')], nothingRests(), 0)
    for (const store of storesFor(contentOf(maps), [wish(2, [4], '10.96.0.9')], nothingRests(), 0)) {
      apply(maps, store)
      assert.equal(reach(contentOf(maps), '10.96.0.9')?.length, 1, store.map)
    }
    assert.deepEqual(reach(contentOf(maps), '10.96.0.9'), ['10.0.0.4'])
  })

  test('two services share the number of an endpoint; two weights of it are two numbers', () => {
    const maps = emptyOutbound()
    const heavy = { ...wish(2, []), endpoints: [endpoint(1, 5)] }
    publish(maps, [wish(1, [1]), heavy, wish(3, [1])], nothingRests(), 0)
    assert.equal(Object.keys(maps.endpoints).length, 2)
    // The weight of the only one changes: the number, and with it its pools, stay.
    publish(maps, [{ ...heavy, endpoints: [endpoint(1, 7)] }, wish(1, [1]), wish(3, [1])], nothingRests(), 0)
    assert.deepEqual(
      Object.values(maps.endpoints).map(({ weight }) => weight),
      [1, 7],
    )
  })

  test('numbers begin at 1: an empty place of a table names nobody', () => {
    const maps = emptyOutbound()
    publish(maps, [wish(1, [1, 2])], nothingRests(), 0)
    assert.equal(maps.endpoints[0], undefined)
    assert.equal(assignServices([], ['a/b:80'], new Set())[0]?.number, 1)
  })
})

/** Which endpoints a service ever had, up to a moment. */
const histories = fc.array(
  fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 6 }), { minLength: 3, maxLength: 3 }),
  { minLength: 1, maxLength: 8 },
)

/** Somebody who took a place and a count, and goes on reading there. */
type Reader = { first: number; count: number; found: string[] }
const names = (hosts: readonly number[] = []) => hosts.map((host) => `10.0.0.${host}`)

test('between any two stores every service has the endpoints of before or of after, and all are somewhere', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const maps = emptyOutbound()
      const resting = nothingRests()
      const readers: Reader[] = []
      for (const [now, hosts] of history.entries()) {
        // The last one is no service while it has no endpoint.
        const wished = hosts.map((each, index) => wish(index + 1, each))
        const wishes = wished.filter(({ number, endpoints }) => number < 3 || endpoints.length > 0)
        const old = contentOf(structuredClone(maps))
        for (const store of storesFor(old, wishes, resting, now)) {
          apply(maps, store)
          const seen = contentOf(maps)
          for (const [index, each] of hosts.entries()) {
            const allowed = [names(history[now - 1]?.[index]), names(each)]
            const reached = reach(seen, `10.96.0.${index + 1}`)
            const known = reached === undefined || allowed.some((one) => `${one}` === `${reached}`)
            assert.ok(known, `${reached} is neither ${allowed.join(' nor ')}`)
            // Who took the count of before, and then the place of now.
            const { first = 0, count = 0 } = seen.services.get(index + 1) ?? {}
            const late = old.services.get(index + 1)?.count ?? 0
            const found = run(seen, first, late)
            assert.ok(
              found.every((one) => allowed.flat().includes(one)),
              `${found} is of another service`,
            )
            readers.push({ first, count: late, found }, { first, count, found: run(seen, first, count) })
          }
          for (const { first, count, found } of readers) assert.deepEqual(run(seen, first, count), found)
        }
      }
    }),
    { seed: SEED, numRuns: 100 * PART },
  )
})

test('a death after any store: the next start brings the maps to the same content', () => {
  fc.assert(
    fc.property(histories, fc.nat(40), (history, deadAfter) => {
      const maps = emptyOutbound()
      for (const [now, hosts] of history.entries()) {
        const wishes = hosts
          .map((each, index) => wish(index + 1, each))
          .filter(({ endpoints }) => endpoints.length > 1)
        const stores = storesFor(contentOf(maps), wishes, nothingRests(), now)
        for (const store of stores.slice(0, deadAfter)) apply(maps, store)
        // Another process: it remembers nothing of what rests.
        publish(maps, wishes, nothingRests(), now)
        for (const { number, endpoints } of wishes)
          assert.deepEqual(
            reach(contentOf(maps), `10.96.0.${number}`),
            endpoints.map(({ address }) => address),
          )
        assert.equal(Object.keys(maps.addresses).length, wishes.length)
        assert.deepEqual(publish(maps, wishes, nothingRests(), now), [], 'nothing is left to do')
      }
    }),
    { seed: SEED, numRuns: 200 * PART },
  )
})

describe('reuse', () => {
  /** One pass, some time later. */
  function pass(
    maps: MemoryOutbound,
    wishes: ServiceWish[],
    resting: Resting,
    at: { now: number; named: number[] },
  ) {
    const content = contentOf(structuredClone(maps))
    for (const store of storesFor(content, wishes, resting, at.now)) apply(maps, store)
    restFrom(resting.endpoints, leftEndpoints(content, wishes), at.now)
    const references = { services: new Set<number>(), endpoints: new Set(at.named) }
    const forgotten = forgettable(resting, references, at.now)
    for (const store of storesToForget(content, forgotten)) apply(maps, store)
  }

  test('an endpoint number is given away only after a rest, and when no pool and no connection names it', () => {
    const [maps, resting] = [emptyOutbound(), nothingRests()]
    const number = (host: number) =>
      Object.entries(maps.endpoints).find(([, { address }]) => address === `10.0.0.${host}`)?.[0]
    pass(maps, [wish(1, [1, 2])], resting, { now: 0, named: [] })
    assert.deepEqual([number(1), number(2)], ['1', '2'])
    pass(maps, [wish(1, [2])], resting, { now: 10, named: [1] })
    pass(maps, [wish(1, [2, 3])], resting, { now: REST_MS, named: [] })
    assert.equal(number(3), '3', 'it has not rested')
    pass(maps, [wish(1, [2, 3, 4])], resting, { now: 10 + REST_MS, named: [1] })
    assert.equal(number(4), '4', 'a pool still names it')
    pass(maps, [wish(1, [2, 3, 4])], resting, { now: 20 + REST_MS, named: [] })
    assert.equal(number(1), undefined)
    pass(maps, [wish(1, [2, 3, 4, 5])], resting, { now: 30 + REST_MS, named: [] })
    assert.equal(number(5), '1')
  })

  test('an endpoint that comes back in time has its number, its weight, and no rest behind it', () => {
    const [maps, resting] = [emptyOutbound(), nothingRests()]
    pass(maps, [wish(1, [1, 2])], resting, { now: 0, named: [] })
    pass(maps, [wish(1, [2])], resting, { now: 10, named: [] })
    assert.equal(maps.endpoints[1]?.weight, 0)
    pass(maps, [wish(1, [1, 2])], resting, { now: 20, named: [] })
    assert.equal(maps.endpoints[1]?.weight, 1)
    pass(maps, [wish(1, [2])], resting, { now: REST_MS, named: [] })
    pass(maps, [wish(1, [2])], resting, { now: REST_MS + 20, named: [] })
    assert.ok(maps.endpoints[1], 'it has not rested since it left again')
  })

  test('the places of a run rest before they are another run', () => {
    const runs = [{ first: 0, count: 4, until: 100 }]
    const live = [{ first: 4, count: 2 }]
    assert.equal(new Places(live, runs, 99, 9).take(1), 6)
    const later = new Places(live, runs, 100, 9)
    assert.deepEqual([later.take(3), later.take(2), later.take(1)], [0, 6, 3])
  })

  test('no room for a run, an endpoint or a service is a failure by name', () => {
    const full = [{ first: 0, count: 9 }]
    assert.throws(() => new Places(full, [], 0, 9).take(1), { code: 'limit-exceeded' })
    const hosts = Array.from({ length: Limit.MAX_ENDPOINTS }, (_, index) => ({
      ...endpoint(1),
      address: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    }))
    const many = (endpoints: EndpointEntry[]) => [{ ...wish(1, []), endpoints }]
    const plan = (endpoints: EndpointEntry[]) =>
      storesFor(contentOf(emptyOutbound()), many(endpoints), nothingRests(), 0)
    assert.throws(() => plan(hosts), { code: 'limit-exceeded' })
    assert.equal(plan(hosts.slice(1)).length, 2 * (Limit.MAX_ENDPOINTS - 1) + 4)
    const names = Array.from({ length: Limit.MAX_SERVICES }, (_, index) => `a/b${index}:80`)
    assert.throws(() => assignServices([], names, new Set()), { code: 'limit-exceeded' })
    assert.equal(assignServices([], names.slice(1), new Set()).length, Limit.MAX_SERVICES - 1)
  })
})

describe('service numbers', () => {
  test('what is known keeps its number; what the kernel still gives a meaning is nobody else’s', () => {
    const known = [{ number: 2, service: 'shop/cart:80' }]
    assert.deepEqual(assignServices(known, ['shop/web:80', 'shop/cart:80', 'shop/db:80'], new Set([1])), [
      ...known,
      { number: 3, service: 'shop/web:80' },
      { number: 4, service: 'shop/db:80' },
    ])
  })

  test('a node that has lost its memory knows a service by its address', () => {
    const maps = emptyOutbound()
    publish(maps, [wish(7, [1]), wish(8, [2])], nothingRests(), 0)
    const table = (service: string, address: string) => {
      return { service, addresses: [{ address, port: 80 }], endpoints: [], local: 0, zone: 0 }
    }
    const tables = [
      table('shop/a:80', '10.96.0.7'),
      table('shop/b:80', '10.96.0.8'),
      table('shop/c:80', '10.96.0.9'),
    ]
    const known = [{ number: 8, service: 'shop/old:80' }]
    assert.deepEqual(recognisedServices(known, tables, contentOf(maps)), [
      ...known,
      { number: 7, service: 'shop/a:80' },
    ])
  })
})
