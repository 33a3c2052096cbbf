/** struct heddle_balance: how a service's requests are spread, as agent and relay see it. */
import { BalanceLayout, Hash, Policy as PolicyNumber } from '../../bpf/abi/heddle.gen.ts'
import type { HashOf, Policy } from '../../pipelines/services/model.ts'
import { setsCookie } from '../../pipelines/services/session-cookie.ts'
import type { BalanceEntry } from '../ports.ts'

const { fields, bytes } = BalanceLayout

const POLICIES: Record<Policy, number> = {
  'two-choices': PolicyNumber.POLICY_TWO_CHOICES,
  random: PolicyNumber.POLICY_RANDOM,
  'round-robin': PolicyNumber.POLICY_ROUND_ROBIN,
  'least-request': PolicyNumber.POLICY_LEAST_REQUEST,
  ewma: PolicyNumber.POLICY_EWMA,
  maglev: PolicyNumber.POLICY_MAGLEV,
}
const HASHES = {
  source: Hash.HASH_SOURCE,
  header: Hash.HASH_HEADER,
  cookie: Hash.HASH_COOKIE,
  query: Hash.HASH_QUERY,
} as const

/** Null = all zeroes: two choices, and nobody is ejected. Names of headers have no case. */
export function encodeBalance(balance: BalanceEntry | null): Buffer {
  const value = Buffer.alloc(bytes)
  if (balance === null) return value
  const { hash, table } = balance
  value.writeBigUInt64LE((BigInt(table.first) << 32n) | BigInt(table.count), fields.table.at)
  value.writeUInt32LE(POLICIES[balance.policy], fields.policy.at)
  value.writeUInt32LE(HASHES[hash.of], fields.hash.at)
  value.writeUInt32LE(balance.consecutive5xx, fields.failures.at)
  value.writeUInt32LE(balance.consecutiveResets, fields.resets.at)
  value.writeUInt32LE(balance.baseMs, fields.base_ms.at)
  value.writeUInt32LE(balance.maxPercent, fields.max_percent.at)
  value.writeUInt32LE(balance.slowStartMs, fields.slow_start_ms.at)
  if (hash.of === 'source') return value
  const name = hash.of === 'header' ? hash.name.toLowerCase() : hash.name
  if (setsCookie(hash)) value.writeUInt32LE(hash.ttlSeconds + 1, fields.cookie_ttl.at)
  value.writeUInt32LE(name.length, fields.name_bytes.at)
  value.write(name, fields.name.at, 'latin1')
  return value
}

export function decodeBalance(value: Buffer): BalanceEntry {
  const number = ({ at }: { at: number }) => value.readUInt32LE(at)
  const table = value.readBigUInt64LE(fields.table.at)
  const name = value.toString('latin1', fields.name.at, fields.name.at + number(fields.name_bytes))
  const of = keyOf(HASHES, number(fields.hash), 'source')
  return {
    policy: keyOf(POLICIES, number(fields.policy), 'two-choices'),
    hash: hashOf(of, name, number(fields.cookie_ttl)),
    consecutive5xx: number(fields.failures),
    consecutiveResets: number(fields.resets),
    baseMs: number(fields.base_ms),
    maxPercent: number(fields.max_percent),
    slowStartMs: number(fields.slow_start_ms),
    table: { first: Number(table >> 32n), count: Number(table & 0xffff_ffffn) },
  }
}

function hashOf(of: HashOf['of'], name: string, cookieTtl: number): HashOf {
  if (of === 'source') return { of }
  if (of !== 'cookie' || cookieTtl === 0) return { of, name }
  return { of, name, ttlSeconds: cookieTtl - 1 }
}

/** What a later ABI has more is taken for what every policy falls back to. */
function keyOf<K extends string>(numbers: Record<K, number>, number: number, unknown: K): K {
  return (Object.keys(numbers) as K[]).find((key) => numbers[key] === number) ?? unknown
}
