/** Reads the limits of a blob as the kernel does (bpf/programs/parts/limit.h). */
import type { Request } from '../protocols/http1-request.ts'
import { type Asking, keyHash } from '../policy/limit-key.ts'
import { byteText } from '../protocols/http1-grammar.ts'
import { AT, KEY_HEADERS, KEY_IDENTITY, KEY_PATH, MAX_KEY_HEADERS, RATE_WORDS } from './layout.ts'

/** Of a TablesWalker. */
type Tables = { word(at: number): number; walk(dfaAt: number, input: Uint8Array): { final: number } }

/** A limit that a request meets: struct heddle_rate. */
export type MetRate = {
  readonly id: bigint
  readonly interval: bigint
  readonly tolerance: bigint
  readonly quota: number
  readonly window: number
  /** Which bucket it is of. */
  hash(secret: bigint, request: Request, who: Asking): bigint
}

/** `met`: a bit for each limit. */
export function ratesIn(tables: Tables, met: bigint): MetRate[] {
  const rates: MetRate[] = []
  for (let index = 0; met >> BigInt(index) !== 0n; index++) {
    if (((met >> BigInt(index)) & 1n) === 1n) rates.push(rateAt(tables, index))
  }
  return rates
}

function rateAt(tables: Tables, index: number): MetRate {
  const at = tables.word(AT.limits_at) + index * RATE_WORDS
  const number = (of: number) => BigInt(tables.word(at + of)) | (BigInt(tables.word(at + of + 1)) << 32n)
  const keys = tables.word(at + 6)
  return {
    id: number(0),
    interval: number(2),
    tolerance: number(4),
    quota: tables.word(at + 7),
    window: tables.word(at + 8),
    hash: (secret, request, who) =>
      keyHash(secret, request, {
        path: (keys & KEY_PATH) !== 0,
        headers: headersOf(tables, keys, request),
        who: (keys & KEY_IDENTITY) !== 0 ? who : undefined,
      }),
  }
}

/** By number, the names that the request has; undefined = it has none. */
function headersOf(tables: Tables, keys: number, request: Request): (string | undefined)[] {
  const numbers = Array.from({ length: MAX_KEY_HEADERS }, (_, index) => index + 1)
  const wanted = numbers.filter((number) => (keys & (KEY_HEADERS << (number - 1))) !== 0)
  return wanted.map((number) => {
    const field = request.fields.find(({ name }) => (tables.walk(AT.names, name).final >> 14) % 4 === number)
    return field && byteText(field.name).toLowerCase()
  })
}
