/**
 * The bytes of a direct response, whoever gives it, kernel or relay, before the route's own changes of
 * responses (route-edits.ts), which may drop Server and Content-Type:
 *
 *     HTTP/1.1 <status> <reason>CRLF
 *     Server: heddleCRLF
 *     Content-Type: <contentType>CRLF     where one is written
 *     Content-Length: <bytes>CRLF         not of 204 and 304 (RFC 9110 8.6)
 *     CRLF
 *     <body>                              not to HEAD (RFC 9110 9.3.2)
 */
import { utf8 } from '../bytes.ts'
import { statusLine } from '../protocols/http1-reasons.ts'
import type { HeaderChange } from './route-change.ts'
import type { Respond } from './route.ts'

/** Statuses whose responses have no length either. */
const UNFRAMED = [204, 304]

/** What a direct response is made of. */
export type Responded = Pick<Respond, 'status' | 'contentType' | 'body'> & { response: HeaderChange }

/** Its text from the status line to the empty one; the body, in UTF-8, stands behind. */
export function respondedHead({ status, contentType, body, response }: Responded): string {
  const own = [
    { name: 'Server', value: 'heddle' },
    ...(contentType === undefined ? [] : [{ name: 'Content-Type', value: contentType }]),
    ...(UNFRAMED.includes(status) ? [] : [{ name: 'Content-Length', value: String(utf8(body).length) }]),
  ]
  const kept = own.filter(({ name }) => !response.drop.includes(name.toLowerCase()))
  const lines = [...kept, ...response.append].map(({ name, value }) => `${name}: ${value}\r\n`)
  return `${statusLine(status)}${lines.join('')}\r\n`
}
