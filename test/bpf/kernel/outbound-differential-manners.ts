/** How a server of the differential test answers: the bytes, known to the server and to what predicts them. */
import { fieldValues, type Request } from '../../../pipelines/protocols/http1-request.ts'

/** `close`, `eof`, `old` end the connection. */
export const MANNERS = [
  'plain',
  'empty',
  'chunked',
  'trailer',
  'interim',
  'twice',
  '204',
  '304',
  'pieces',
  'cut',
  'large',
] as const
export const LAST_MANNERS = ['close', 'eof', 'old'] as const
export type Manner = (typeof MANNERS)[number] | (typeof LAST_MANNERS)[number]

/** Fields of a request that tell a server what to do; no route speaks of them. */
export const ID_FIELD = 'Z-Id'
export const MANNER_FIELD = 'Z-Manner'

/** `closes`: its client wants no more on this connection. */
export type Asked = { server: string; id: string; manner: Manner; method: string; closes: boolean }

/** Heads one by one, the last one final; one character a byte. */
export type Answer = { heads: string[]; body: string; ends: boolean }

/** Names that routes change, and blanks around values as servers write them. */
const FIELDS = 'X-A: told\r\nServer: some\r\nx-b:\t two \r\nX-A:\r\nuser-agent: odd\r\n'
const LARGE_BYTES = 9_000
const INTERIM = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-A: early\r\n\r\n'
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('latin1')

export function askedOf(server: string, request: Request): Asked {
  const values = (name: string) => fieldValues(request, name.toLowerCase()).map(text)
  const closes = request.version === '1.0' || values('connection').some((value) => value === 'close')
  const [manner, id = ''] = [values(MANNER_FIELD)[0] as Manner, values(ID_FIELD)[0]]
  return { server, id, manner, method: text(request.method), closes }
}

function bodyOf({ server, id, manner, method }: Asked): string {
  if (manner === 'empty') return ''
  const text = `${server} ${id} ${method} \r\n\r\nHTTP/1.1 200 OK\r\n`
  return manner === 'large' ? text.repeat(Math.ceil(LARGE_BYTES / text.length)) : text
}

function framed(asked: Asked): { status: string; framing: string; body: string } {
  const body = bodyOf(asked)
  const length = `Content-Length: ${body.length}\r\n`
  const size = body.length.toString(16)
  switch (asked.manner) {
    case '204':
      return { status: '1.1 204 No Content', framing: '', body: '' }
    case '304':
      return { status: '1.1 304 Not Modified', framing: length, body: '' }
    case 'chunked':
      return { status: '1.1 200 OK', framing: 'Transfer-Encoding: chunked\r\n', body: chunks(body, size, '') }
    case 'trailer':
      return {
        status: '1.1 404 Not Found',
        framing: 'transfer-encoding:  chunked\r\n',
        body: chunks(body, `${size};a="b"`, 'X-A: trailer\r\n'),
      }
    case 'eof':
      return { status: '1.1 200', framing: '', body }
    case 'old':
      return { status: '1.0 200 OK', framing: length, body }
    default:
      return { status: '1.1 200 OK', framing: length, body }
  }
}

const chunks = (body: string, size: string, trailer: string) => `${size}\r\n${body}\r\n0\r\n${trailer}\r\n`

export function answer(asked: Asked): Answer {
  const { manner, server, id, method } = asked
  const { status, framing, body } = framed(asked)
  const ends = asked.closes || LAST_MANNERS.some((each) => each === manner)
  /* An answer to HEAD has no body that would end with the connection. */
  const silent = manner === 'old' || (manner === 'eof' && method !== 'HEAD')
  const closing = ends && !silent ? 'Connection: close\r\n' : ''
  const head = `HTTP/${status}\r\n${FIELDS}${framing}${closing}X-Server: ${server} ${id}\r\n\r\n`
  const interim = manner === 'interim' ? [INTERIM] : manner === 'twice' ? [CONTINUE, INTERIM] : []
  return { heads: [...interim, head], body: method === 'HEAD' ? '' : body, ends }
}

/** How a server writes it: whole, byte by byte, or head and body in a few parts. */
export function writes({ heads, body }: Answer, manner: Manner): string[] {
  const whole = [...heads, body].join('')
  if (manner === 'pieces') return [...whole]
  if (manner === 'interim') return [...heads, body]
  if (manner !== 'cut' && manner !== 'chunked') return [whole]
  return [whole.slice(0, 11), whole.slice(11, -3), whole.slice(-3)]
}
