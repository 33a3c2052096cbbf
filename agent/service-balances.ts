/** How services spread their requests, as stores: a Maglev table is written aside, and taken into use by one store. Pure. */
import { Limit } from '../bpf/abi/heddle.gen.ts'
import { maglevSize, maglevTable } from '../pipelines/services/balance-maglev.ts'
import type { Spread } from '../pipelines/services/model.ts'
import { addressKey } from '../pipelines/services/nearest.ts'
import type { BalanceEntry, OutboundContent, OutboundStore, ServiceWish } from './ports.ts'
import { endpointKey } from './service-endpoints.ts'
import { Places, REST_MS, type Resting } from './service-runs.ts'

const NO_TABLE = { first: 0, count: 0 }

type Around = { numbers: ReadonlyMap<string, number>; resting: Resting; now: number }

/** Throws Failure('limit-exceeded') when there is no room for a table. */
export function balanceStores(
  { balances, spots }: OutboundContent,
  wishes: readonly ServiceWish[],
  { numbers, resting, now }: Around,
): OutboundStore[] {
  resting.tables = resting.tables.filter(({ until }) => until > now)
  const tables = [...balances.values()].map(({ table }) => table)
  const places = new Places(tables, resting.tables, now, Limit.MAX_SPOTS)
  const stores: OutboundStore[] = []
  for (const wish of wishes) {
    const held = balances.get(wish.number)
    const old = held?.table ?? NO_TABLE
    const wanted = tableOf(wish, numbers)
    const kept = wanted.length === old.count && wanted.every((number, at) => spots[old.first + at] === number)
    const table = kept
      ? old
      : { first: wanted.length > 0 ? places.take(wanted.length) : 0, count: wanted.length }
    const balance = entryOf(wish.spread, table)
    if (balance === null ? held === undefined : held !== undefined && equal(held, balance)) continue
    if (!kept && wanted.length > 0) stores.push({ map: 'spots', first: table.first, endpoints: wanted })
    stores.push({ map: 'balances', number: wish.number, balance })
    if (!kept && old.count > 0) resting.tables.push({ ...old, until: now + REST_MS })
  }
  return stores
}

/** Null = what a service has that says nothing: all zeroes. */
function entryOf(spread: Spread = {}, table: BalanceEntry['table']): BalanceEntry | null {
  const { balance, ejection, slowStartMs } = spread
  if (!ejection && slowStartMs === undefined && (!balance || balance.policy === 'two-choices')) return null
  return {
    policy: balance?.policy ?? 'two-choices',
    hash: balance?.hash ?? { of: 'source' },
    consecutive5xx: ejection?.consecutive5xx ?? 0,
    consecutiveResets: ejection?.consecutiveResets ?? 0,
    baseMs: ejection?.baseMs ?? 0,
    maxPercent: ejection?.maxPercent ?? 0,
    slowStartMs: slowStartMs ?? 0,
    table,
  }
}

/** Of the nearest that take requests: which these are is this node's view, the table's order is the same on every node. */
function tableOf(
  { spread, endpoints, local, zone }: ServiceWish,
  numbers: ReadonlyMap<string, number>,
): number[] {
  if (spread?.balance?.policy !== 'maglev') return []
  const tiers = [local, zone, endpoints.length].map((near) => endpoints.slice(0, near))
  const near = tiers.find((tier) => tier.some(({ weight }) => weight > 0)) ?? []
  const named = near.map((endpoint) => ({
    name: `${addressKey(endpoint.address)}:${endpoint.port}`,
    weight: endpoint.weight,
    number: numbers.get(endpointKey(endpoint)) as number,
  }))
  return maglevTable(named, maglevSize(named.length)).map((index) => named[index]?.number ?? 0)
}

function equal(left: BalanceEntry, right: BalanceEntry): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}
