/**
 * What the relay itself answers, in these bytes:
 *
 *     HTTP/1.1 <status> <reason>CRLF
 *     Server: heddleCRLF
 *     <lines of the route>CRLF           200 301 302 303 307 308 404 500 503 of a route
 *     Connection: closeCRLF              where the connection ends with it
 *     Content-Length: 0CRLF
 *     CRLF
 *
 * | status | when                                                                     | connection |
 * | ------ | ------------------------------------------------------------------------ | ---------- |
 * | 400    | not the canonical subset of HTTP/1.1; the client ended within a message   | ends       |
 * | 403    | no rule allows the request                                               | goes on    |
 * | 200, 3xx, 404 | the route says so                                                 | goes on    |
 * | 431    | a head over 16 KB                                                        | ends       |
 * | 500    | the route says so, or can't be followed                                  | goes on    |
 * | 502    | an endpoint's answer is not HTTP/1                                       | goes on    |
 * | 503    | the route says so; no endpoint took the request                          | goes on    |
 * | 503    | the relay stops                                                          | ends       |
 * | 504    | a timeout of the route                                                   | goes on    |
 *
 * "Goes on" holds where the next request can be found: its client speaks HTTP/1.1 or asked to be
 * kept, has not said `close`, and does not wait for a 100 before it sends the body.
 */
import type { RoutedStatus } from './ports.ts'

export type LocalStatus = RoutedStatus | 400 | 403 | 431 | 502 | 504

const REASONS: Record<LocalStatus, string> = {
  200: 'OK',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

/** `fields`: whole lines without their CRLF. */
export function localReply(status: LocalStatus, close: boolean, fields: readonly string[] = []): Buffer {
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status]}`,
    'Server: heddle',
    ...fields,
    ...(close ? ['Connection: close'] : []),
    'Content-Length: 0',
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
