/**
 * What the relay itself answers, in these bytes:
 *
 *     HTTP/1.1 <status> <reason>CRLF
 *     Server: heddleCRLF
 *     Connection: closeCRLF              where the connection ends with it
 *     Content-Length: 0CRLF              a route's own: its length, or none
 *     CRLF
 *
 * | status | when                                                                     | connection |
 * | ------ | ------------------------------------------------------------------------ | ---------- |
 * | 400    | not the canonical subset of HTTP/1.1; the client ended within a message   | ends       |
 * | 403    | no rule allows the request                                               | goes on    |
 * | any    | the route says so                                                        | goes on    |
 * | 429    | a rate limit has no more: with its fields (limited-fields.ts)                | goes on    |
 * | 431    | a head over 16 KB                                                        | ends       |
 * | 500    | the route says so, or can't be followed                                  | goes on    |
 * | 502    | an endpoint's answer is not HTTP/1                                       | goes on    |
 * | 503    | the route says so; no endpoint took the request                          | goes on    |
 * | 503    | a breaker of the service lets no more through: `x-heddle-breaker` says why   | goes on    |
 * | 503    | the relay stops                                                          | ends       |
 * | 504    | a timeout of the route                                                   | goes on    |
 *
 * Redirects, direct responses, aborts and answers to preflights are the route's own bytes
 * (pipelines/tables/route-edits.ts, route-relay.ts), with
 * `Connection: close` where it stands here.
 *
 * "Goes on" holds where the next request can be found: its client speaks HTTP/1.1 or asked to be
 * kept, has not said `close`, and does not wait for a 100 before it sends the body.
 */
import type { BreakerRefusal } from '../../../pipelines/policy/breaker.ts'
import type { Limited } from '../kernel-limits.ts'
import { limitedFields } from '../limited-fields.ts'
import type { FailureStatus } from './counts.ts'
import type { RoutedStatus } from './ports.ts'

export type LocalStatus = RoutedStatus | 400 | 403 | 431 | 502 | 504

const REASONS: Record<LocalStatus, string> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

const LENGTH = '\r\nContent-Length: 0\r\n'
/** What `Connection: close` stands before: the length, or the end of a head that has none (204, 304). */
const BEFORE = /\r\nContent-Length: \d+\r\n|\r\n\r\n/

/** For a client that comes too often. */
export function limitedReply(limited: Limited): Uint8Array {
  const head = `HTTP/1.1 429 Too Many Requests\r\nServer: heddle\r\n${limitedFields(limited)}`
  return Buffer.from(`${head.slice(0, -2)}${LENGTH}\r\n`, 'latin1')
}

/** The same bytes as the kernel's (bpf/protocols/http1/local-reply.h). */
export function breakerReply(refused: BreakerRefusal): Uint8Array {
  const head = `HTTP/1.1 503 ${REASONS[503]}\r\nServer: heddle\r\nx-heddle-breaker: ${refused}`
  return Buffer.from(`${head}${LENGTH}\r\n`, 'latin1')
}

export function failureReply(status: FailureStatus): LocalStatus | Uint8Array {
  return status === 'pending' ? breakerReply(status) : status
}

/** `said`: a status, or a route's own reply for a connection that goes on. */
export function localReply(said: LocalStatus | Uint8Array, close: boolean): Buffer {
  const text =
    typeof said === 'number'
      ? `HTTP/1.1 ${said} ${REASONS[said]}\r\nServer: heddle${LENGTH}\r\n`
      : Buffer.from(said).toString('latin1')
  return Buffer.from(close ? text.replace(BEFORE, '\r\nConnection: close$&') : text, 'latin1')
}
