/**
 * From what the kernel's maps hold to what they should hold, as single stores in an order in which no reader
 * ever sees a half, wherever it ends: a death in between leaves something that the next start goes on from. Pure.
 */
import { Limit } from '../bpf/abi/heddle.gen.ts'
import { shares } from '../pipelines/services/balance.ts'
import { addressKey } from '../pipelines/services/nearest.ts'
import { balanceStores } from './service-balances.ts'
import { endpointKey, numberEndpoints } from './service-endpoints.ts'
import { Places, REST_MS, type Resting, rested } from './service-runs.ts'
import type {
  EndpointEntry,
  OutboundContent,
  OutboundReferences,
  OutboundStore,
  ServiceState,
  ServiceWish,
} from './ports.ts'

/** These places have no meaning from now on. */
type Rest = (first: number, count: number) => void

const GONE: ServiceState = { first: 0, count: 0, local: 0, zone: 0 }

/**
 * Addresses that lead nowhere any more go first and new ones come last; in between an endpoint is there
 * before the run that names it, and the run before the one store that makes a service read it.
 * Whatever lost its meaning rests in `resting`. Throws Failure('limit-exceeded') with nothing planned.
 */
export function storesFor(
  content: OutboundContent,
  wishes: readonly ServiceWish[],
  resting: Resting,
  now: number,
): OutboundStore[] {
  const numbers = numberEndpoints(
    content.endpoints,
    wishes.flatMap(({ endpoints }) => endpoints),
  )
  const { removed, added } = addressStores(content, wishes)
  const endpoints = endpointStores(content, wishes, numbers)
  const rest = (first: number, count: number) => {
    if (count > 0) resting.runs.push({ first, count, until: now + REST_MS })
  }
  resting.runs = resting.runs.filter(({ until }) => until > now)
  const places = new Places(content.services.values(), resting.runs, now, Limit.MAX_MEMBERS)
  const services = serviceStores(content, wishes, numbers, { places, rest })
  return [
    ...removed,
    ...endpoints.present,
    ...balanceStores(content, wishes, { numbers, resting, now }),
    ...services,
    ...added,
    ...goneStores(content, wishes, rest),
    ...endpoints.left,
  ]
}

/** What nobody may name any more becomes as if it had never been there; from then on its number is free. */
export function storesToForget(content: OutboundContent, forgotten: OutboundReferences): OutboundStore[] {
  const known = (numbers: ReadonlySet<number>, held: ReadonlyMap<number, unknown>) =>
    [...numbers].filter((number) => held.has(number))
  return [
    ...known(forgotten.endpoints, content.endpoints).flatMap((number): OutboundStore[] => [
      { map: 'births', number, at: null },
      { map: 'endpoints', number, endpoint: null },
    ]),
    ...known(forgotten.services, content.balances).map(
      (number): OutboundStore => ({ map: 'balances', number, balance: null }),
    ),
    ...known(forgotten.services, content.services).map(
      (number): OutboundStore => ({ map: 'services', number, state: GONE }),
    ),
    ...[...forgotten.services].map((number): OutboundStore => ({ map: 'breakers', number })),
  ]
}

/** Numbers that have rested, and that nothing names. */
export function forgettable(
  resting: Resting,
  references: OutboundReferences,
  now: number,
): OutboundReferences {
  const free = (since: ReadonlyMap<number, number>, named: ReadonlySet<number>) =>
    new Set(rested(since, now).filter((number) => !named.has(number)))
  return {
    services: free(resting.services, references.services),
    endpoints: free(resting.endpoints, references.endpoints),
  }
}

/** Endpoints that no service has; they stay what they are for the connections that are there. */
export function leftEndpoints(content: OutboundContent, wishes: readonly ServiceWish[]): Set<number> {
  const wished = wishes.flatMap(({ endpoints }) => endpoints)
  const kept = new Set(numberEndpoints(content.endpoints, wished).values())
  return new Set([...content.endpoints.keys()].filter((number) => !kept.has(number)))
}

function addressStores(
  { addresses }: OutboundContent,
  wishes: readonly ServiceWish[],
): { removed: OutboundStore[]; added: OutboundStore[] } {
  const keyOf = (each: { address: string; port: number }) => `${addressKey(each.address)}:${each.port}`
  const held = new Map(addresses.map((each) => [keyOf(each), each]))
  const added: OutboundStore[] = []
  for (const { number, addresses: own } of wishes) {
    for (const each of own) {
      const known = held.get(keyOf(each))
      held.delete(keyOf(each))
      // Also one that moves from service to service: replaced in one store, it always leads somewhere.
      if (known?.service !== number) added.push({ map: 'service_addresses', ...each, service: number })
    }
  }
  const removed = [...held.values()].map(
    ({ address, port }): OutboundStore => ({ map: 'service_addresses', address, port, service: null }),
  )
  return { removed, added }
}

function endpointStores(
  { endpoints: held }: OutboundContent,
  wishes: readonly ServiceWish[],
  numbers: ReadonlyMap<string, number>,
): { present: OutboundStore[]; left: OutboundStore[] } {
  const present = new Map<number, OutboundStore[]>()
  const kept = new Set(numbers.values())
  for (const endpoint of wishes.flatMap(({ endpoints }) => endpoints)) {
    const number = numbers.get(endpointKey(endpoint)) as number
    if (same(held.get(number), endpoint)) continue
    const begins = endpoint.weight > 0 && (held.get(number)?.weight ?? 0) === 0
    present.set(number, [
      ...(begins ? [{ map: 'births' as const, number, at: 'now' as const }] : []),
      { map: 'endpoints', number, endpoint },
    ])
  }
  const left = [...held]
    .filter(([number, { weight }]) => !kept.has(number) && weight > 0)
    .map(([number, entry]): OutboundStore => {
      return { map: 'endpoints', number, endpoint: { ...entry, weight: 0 } }
    })
  return { present: [...present.values()].flat(), left }
}

/**
 * A reader takes `count` before `first`: it may use the count of before with the new run, and never the other way
 * round. So a run is as long as the longer one of both, and repeats its members behind the last.
 */
function serviceStores(
  { services, members, shares: held }: OutboundContent,
  wishes: readonly ServiceWish[],
  numbers: ReadonlyMap<string, number>,
  { places, rest }: { places: Places; rest: Rest },
): OutboundStore[] {
  const stores: OutboundStore[] = []
  for (const { number, endpoints, local, zone } of wishes) {
    const old = services.get(number) ?? GONE
    const run = endpoints.map((endpoint) => numbers.get(endpointKey(endpoint)) as number)
    const upTo = shares(endpoints.map(({ weight }) => weight))
    let { first } = old
    if (!(holds(members, old, run) && holds(held, old, upTo)) && run.length > 0) {
      const room = Math.max(old.count, run.length)
      first = places.take(room)
      const repeated = Array.from({ length: room }, (_, place) => run[place % run.length] as number)
      stores.push({ map: 'shares', first, shares: sharesOf(room, endpoints) })
      stores.push({ map: 'members', first, endpoints: repeated })
      rest(first + run.length, room - run.length)
    }
    const state = { first, count: run.length, local, zone }
    if (same(old, state)) continue
    stores.push({ map: 'services', number, state })
    if (first !== old.first || run.length === 0) rest(old.first, old.count)
  }
  return stores
}

/** What nobody wishes any more: last, when its addresses lead elsewhere or nowhere. */
function goneStores(
  { services }: OutboundContent,
  wishes: readonly ServiceWish[],
  rest: Rest,
): OutboundStore[] {
  const wished = new Set(wishes.map(({ number }) => number))
  const gone = [...services].filter(([number, { count }]) => !wished.has(number) && count > 0)
  return gone.map(([number, { first, count }]) => {
    rest(first, count)
    // `first` stays: who has read the count of before still reads this run.
    return { map: 'services', number, state: { ...GONE, first } }
  })
}

/** Also of the places that are repeated. */
function sharesOf(room: number, endpoints: readonly EndpointEntry[]): number[] {
  const places = Array.from({ length: room }, (_, place) => endpoints[place % endpoints.length])
  return shares(places.map((endpoint) => endpoint?.weight ?? 0))
}

function holds(members: ArrayLike<number>, { first, count }: ServiceState, run: readonly number[]): boolean {
  return count === run.length && run.every((number, place) => members[first + place] === number)
}

function same<T extends object>(left: T | undefined, right: T): boolean {
  if (left === undefined) return false
  return Object.entries(right).every(([name, value]) => left[name as keyof T] === value)
}
