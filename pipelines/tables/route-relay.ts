/** What of a rule only the relay does, as it stands in the blob: struct heddle_route_relay. No program reads it. */
import { Failure } from '../contract/failures.ts'
import { utf8 } from '../bytes.ts'
import { type Cors, corsOf } from '../policy/route-cors.ts'
import type { Fault, Field, Filter, Retry, RouteRule } from '../policy/route.ts'
import type { Source } from '../policy/source.ts'
import { isTokenByte } from '../protocols/http1-grammar.ts'
import { at } from './blocks.ts'
import { CORS_CREDENTIALS, CORS_FILTER } from './layout.ts'

/** Before texts have a place; a list's entries have LF behind each. */
export type RelayPart = {
  readonly attempts: number
  readonly backoff: number
  readonly cors: number
  readonly maxAge: number
  /** Milliseconds, and hundredths of a percent of the requests that wait so long. */
  readonly delay: number
  readonly delayed: number
  /** Milliseconds without a byte; 0 = any. */
  readonly idle: number
  /** One more than the hundredths of a percent of a retry's budget; 0 = there is none. */
  readonly budget: number
  readonly least: number
  readonly codes: string
  readonly origins: string
  readonly methods: string
  readonly headers: string
  readonly expose: string
}

const listText = (list: readonly (string | number)[]) => list.map((entry) => `${entry}\n`).join('')
const listOf = (text: string) => text.split('\n').slice(0, -1)

/** What is written into responses must not end a line of them. */
function checked(list: readonly string[], holds: (text: string) => boolean, source: Source): string {
  for (const text of list) {
    if (text === '' || !holds(text))
      throw new Failure('unsupported-feature', `${at(source)}: ${JSON.stringify(text)} can't stand in CORS`)
  }
  return listText(list)
}

const isToken = (text: string) => utf8(text).every(isTokenByte)
const isOrigin = (text: string) => /^[!-~]+$/.test(text)

/** null = nothing. Throws Failure('unsupported-feature'), located. */
export function relayPart(
  { retry, fault, idleTimeout = 0, source }: RouteRule,
  filters: readonly Filter[],
): RelayPart | null {
  const cors = corsOf(filters)
  const delay = fault?.delay
  if (retry === undefined && cors === undefined && delay === undefined && idleTimeout === 0) return null
  return {
    attempts: retry?.attempts ?? 0,
    backoff: retry?.backoff ?? 0,
    cors: cors === undefined ? 0 : CORS_FILTER | (cors.credentials ? CORS_CREDENTIALS : 0),
    maxAge: cors?.maxAge ?? 0,
    delay: delay?.duration ?? 0,
    delayed: delay?.percent ?? 0,
    idle: idleTimeout,
    budget: retry?.budget === undefined ? 0 : retry.budget.percent + 1,
    least: retry?.budget?.least ?? 0,
    codes: listText(retry?.codes ?? []),
    origins: checked(cors?.origins ?? [], isOrigin, source),
    methods: checked(cors?.methods ?? [], isToken, source),
    headers: checked(cors?.headers ?? [], isToken, source),
    expose: checked(cors?.expose ?? [], isToken, source),
  }
}

export function retryOf({ attempts, backoff, codes, budget, least }: RelayPart): Retry | undefined {
  if (attempts === 0) return undefined
  const bounded = budget === 0 ? {} : { budget: { percent: budget - 1, least } }
  return { attempts, backoff, codes: listOf(codes).map(Number), ...bounded }
}

export function delayIn({ delay, delayed }: RelayPart): Fault['delay'] {
  return delay === 0 ? undefined : { duration: delay, percent: delayed }
}

export function corsIn(part: RelayPart): Cors | undefined {
  if ((part.cors & CORS_FILTER) === 0) return undefined
  return {
    kind: 'cors',
    origins: listOf(part.origins),
    credentials: (part.cors & CORS_CREDENTIALS) !== 0,
    methods: listOf(part.methods),
    headers: listOf(part.headers),
    expose: listOf(part.expose),
    maxAge: part.maxAge,
  }
}

/** The whole answer to a preflight. */
export function preflightReply(fields: readonly Field[]): Uint8Array {
  const lines = fields.map(({ name, value }) => `${name}: ${value}\r\n`).join('')
  return utf8(`HTTP/1.1 200 OK\r\nServer: heddle\r\nContent-Length: 0\r\n${lines}\r\n`)
}
