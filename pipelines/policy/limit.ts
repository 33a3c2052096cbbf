/**
 * Rate limits: how many requests pass, and which of them share a bucket. A token bucket that is filled
 * at a rate and holds `burst`, and a leaky one that drains at a rate and holds `burst`, let the same
 * requests pass; both are kept as GCRA (ITU-T I.371, annex A): where on the clock the next request
 * would be due. What is over is refused, never delayed.
 */
import { z } from 'zod'
import { utf8 } from '../bytes.ts'

const MAX_RATE = 1_000_000
const DAY_MS = 86_400_000

/** `identity`: the workload that asks; of none, its address. `path`: without the query. */
export const LimitKey = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('identity') }),
  z.strictObject({ kind: z.literal('path') }),
  /** Its name in lower case; a request without it has a bucket of its own. */
  z.strictObject({ kind: z.literal('header'), name: z.string() }),
])
export type LimitKey = z.infer<typeof LimitKey>

/** `rate` requests in `per` milliseconds, `burst` of them at once. No key = one bucket for all. */
export const Limit = z.strictObject({
  bucket: z.enum(['token', 'leaky']),
  rate: z.int().min(1).max(MAX_RATE),
  per: z.int().min(1).max(DAY_MS),
  burst: z.int().min(1).max(MAX_RATE),
  key: z.array(LimitKey),
})
export type Limit = z.infer<typeof Limit>

/** What a limit is to whoever takes from it. Nanoseconds; `quota` requests a `window` of seconds is what clients are told. */
export type Rate = { interval: bigint; tolerance: bigint; quota: number; window: number }

const NS_PER_MS = 1_000_000n

/** Rounded so that never one too many passes. */
export function rateOf({ rate, per, burst }: Limit): Rate {
  const interval = (BigInt(per) * NS_PER_MS + BigInt(rate) - 1n) / BigInt(rate)
  const window = Math.max(1, Math.ceil(per / 1000))
  return {
    interval,
    tolerance: BigInt(burst - 1) * interval,
    quota: Math.floor((rate * window * 1000) / per),
    window,
  }
}

/** A bucket after a request at `now`: until when requests were taken, and how long to wait; 0 = it was taken. */
export type Taken = { until: bigint; wait: bigint }

/** The reference: the kernel does the same in one step beside others (bpf/programs/parts/take.h). */
export function take({ interval, tolerance }: Rate, until: bigint, now: bigint): Taken {
  const from = until > now ? until : now
  const ahead = from - now
  if (ahead > tolerance) return { until, wait: ahead - tolerance }
  return { until: from + interval, wait: 0n }
}

const FNV_BASIS = 0xcbf29ce484222325n
const FNV_PRIME = 0x100000001b3n
const UINT64 = (1n << 64n) - 1n

/** FNV-1a. */
export function fnv(bytes: Uint8Array): bigint {
  return bytes.reduce((hash, byte) => ((hash ^ BigInt(byte)) * FNV_PRIME) & UINT64, FNV_BASIS)
}

/** By what the same limit is known in another generation, so that a flip fills no bucket. */
export function limitId(named: { namespace: string; policy: string; rule: string }, limit: Limit): bigint {
  const { bucket, rate, per, burst, key } = limit
  const text = JSON.stringify([named.namespace, named.policy, named.rule, bucket, rate, per, burst, key])
  return fnv(utf8(text))
}
