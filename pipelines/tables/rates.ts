/** Rate limits as the kernel reads them: struct heddle_rate, one for each block of kind `limit`. */
import { type LimitKey, rateOf } from '../policy/limit.ts'
import type { Source } from '../policy/source.ts'
import type { FullBlock } from './blocks.ts'
import type { Dimensions } from './dimensions.ts'
import { KEY_HEADERS, KEY_IDENTITY, KEY_PATH } from './layout.ts'

export type RateRecord = { readonly keys: number; readonly words: readonly number[] }

const WORD = 0xffffffffn
const words64 = (value: bigint): number[] => [Number(value & WORD), Number(value >> 32n)]

function keyBit(key: LimitKey, dimensions: Dimensions, source: Source): number {
  if (key.kind === 'path') return KEY_PATH
  if (key.kind === 'identity') return KEY_IDENTITY
  return KEY_HEADERS << (dimensions.key(key.name, source) - 1)
}

/** Gives the headers of keys their numbers. Throws Failure('limit-exceeded'). */
export function ratesOf(blocks: readonly FullBlock[], dimensions: Dimensions): RateRecord[] {
  return blocks.flatMap(({ limit: known, source }): RateRecord[] => {
    if (known === undefined) return []
    const { interval, tolerance, quota, window } = rateOf(known.limit)
    const keys = known.limit.key.reduce((bits, key) => bits | keyBit(key, dimensions, source), 0)
    const numbers = [BigInt(known.id), interval, tolerance].flatMap(words64)
    return [{ keys, words: [...numbers, keys, quota, window, 0] }]
  })
}
