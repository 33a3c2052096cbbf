/**
 * A server of many manners, for what is routed to it. The target says what it answers with:
 *
 *     /…/plain /chunked /interim /204 /304 /close /eof /early /pieces /never /die /half
 *     /fickle: as plain, then closes after a moment without a word
 *     /sick-NAME /torn-NAME: the server of that name says 500, or ends the connection; others as plain
 *     /big-BYTES /bigchunks-BYTES /bigeof-BYTES, and /stall, which reads its body only after a while
 *
 *     /wide-BYTES: a field of so many in its head
 *     /head: its body is the request's head as it came, and nothing else
 *
 * A request with the field X-Say is answered with its value (base64), cut where X-Cut says.
 *
 * A body names the server, the number of the request on its connection, the target, and the
 * bytes of the request's body and their sum, so that each answer shows what it belongs to.
 *
 * node outbound-server.js NAME [HOST]   prints {"port":N}
 */
import { createServer, type Socket } from 'node:net'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import { createHttp1Parser } from '../../../pipelines/protocols/http1.ts'

const [name = 'a', host = '127.0.0.1'] = process.argv.slice(2)

/** Its length is prime, so that what was lost or doubled shows in a sum. */
const PATTERN = Array.from({ length: 251 }, (_, i) => String.fromCharCode(33 + (i % 90))).join('')
const CHUNK = 100_000
const FICKLE_MS = 20
/** Milliseconds for which a stalled server does not read. */
const STALL_MS = 300

type Asked = { target: string; method: string; number: number; fields: string; head: string }

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
const fieldsOf = ({ fields }: Request) =>
  fields
    .filter((field) => /^x-/i.test(text(field.name)))
    .map((field) => `${text(field.name)}=${text(field.value)}`)
    .join(',')

/** Milliseconds between two parts of a response. */
const CUT_MS = 5

/** What the request itself asks to be said. */
function say(socket: Socket, bytes: Buffer, cuts: readonly number[]): void {
  const [cut, ...more] = cuts
  socket.write(bytes.subarray(0, cut))
  if (cut === undefined) return
  const rest = more.map((each) => each - cut)
  setTimeout(() => say(socket, bytes.subarray(cut), rest), CUT_MS)
}

function respond(socket: Socket, asked: Asked, sum: string): void {
  const { target, method, number, fields, head } = asked
  const manner = target.split('?')[0]?.split('/').at(-1) ?? ''
  const body = manner === 'head' ? head : `${name} ${number} ${method} ${target} ${sum} ${fields}`
  const said = /\r\nX-Say: (\S*)\r\n/.exec(head)?.[1]
  const cuts = /\r\nX-Cut: (\S*)\r\n/.exec(head)?.[1]
  if (said !== undefined) {
    say(socket, Buffer.from(said, 'base64'), cuts?.split(',').map(Number) ?? [])
    return
  }
  const big = /^(big|bigchunks|bigeof)-(\d+)$/.exec(manner)
  const plain = `Content-Length: ${body.length}\r\n\r\n${method === 'HEAD' ? '' : body}`
  const ok = (rest: string) => socket.write(`HTTP/1.1 200 OK\r\n${rest}`, 'latin1')
  const wide = /^wide-(\d+)$/.exec(manner)?.[1]
  if (wide !== undefined) {
    ok(`X-Drop: 1\r\nX-Kept: ${'v'.repeat(Number(wide))}\r\nServer: s\r\n${plain}`)
    return
  }
  if (manner === 'never') return
  if (manner === 'die' || manner === `torn-${name}`) socket.resetAndDestroy()
  else if (manner === `sick-${name}`) socket.write(`HTTP/1.1 500 Sick\r\n${plain}`, 'latin1')
  else if (manner === 'half') {
    ok(`Content-Length: ${2 * body.length}\r\n\r\n${body}`)
    socket.once('drain', () => {})
    setImmediate(() => socket.resetAndDestroy())
  } else if (manner === '204' || manner === '304') {
    socket.write(`HTTP/1.1 ${manner} Nothing\r\nX-Body: ${body}\r\n\r\n`, 'latin1')
  } else if (manner === 'chunked') {
    const size = body.length.toString(16)
    ok(`Transfer-Encoding: chunked\r\n\r\n${size};a="b"\r\n${body}\r\n0\r\nX-Trailer: t\r\n\r\n`)
  } else if (manner === 'interim') {
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
    ok(plain)
  } else if (manner === 'close') {
    ok(`Connection: close\r\n${plain}`)
    socket.end()
  } else if (manner === 'fickle') {
    ok(plain)
    setTimeout(() => socket.end(), FICKLE_MS)
  } else if (manner === 'eof') {
    ok(`\r\n${body}`)
    socket.end()
  } else if (manner === 'pieces') pieces(socket, `HTTP/1.1 200 OK\r\n${plain}`)
  else if (big) {
    const bytes = Buffer.alloc(Number(big[2]), PATTERN)
    if (big[1] === 'big') ok(`Content-Length: ${bytes.length}\r\n\r\n`)
    else if (big[1] === 'bigeof') ok('\r\n')
    else ok('Transfer-Encoding: chunked\r\n\r\n')
    if (big[1] === 'bigchunks') {
      for (let at = 0; at < bytes.length; at += CHUNK) {
        const chunk = bytes.subarray(at, at + CHUNK)
        socket.write(`${chunk.length.toString(16)}\r\n`)
        socket.write(chunk)
        socket.write('\r\n')
      }
      socket.write('0\r\n\r\n')
    } else socket.write(bytes)
    if (big[1] === 'bigeof') socket.end()
  } else ok(plain)
}

/** One byte a write. */
function pieces(socket: Socket, response: string): void {
  for (const byte of Buffer.from(response, 'latin1')) socket.write(Uint8Array.of(byte))
}

/** Sum of bytes, with how many they are. */
class Sum {
  private count = 0
  private sum = 0
  add(bytes: Uint8Array): void {
    this.count += bytes.length
    for (const byte of bytes) this.sum = (this.sum * 31 + byte) % 1_000_000_007
  }
  toString(): string {
    return `${this.count}:${this.sum}`
  }
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  const parser = createHttp1Parser()
  let asked: Asked | undefined
  let number = 0
  let last = ''
  let base = 0
  let held = Buffer.alloc(0)
  let sum = new Sum()
  const take = (to: number) => {
    const bytes = held.subarray(0, to - base)
    held = held.subarray(to - base)
    base = to
    return bytes
  }
  const events = (bytes: Buffer) => {
    held = Buffer.concat([held, bytes])
    for (const event of parser.push(bytes)) {
      if (event.kind === 'head') {
        const head = text(take(event.at))
        sum = new Sum()
        const { request } = event
        const target = text(request.target)
        last = target
        asked = { target, method: text(request.method), number: ++number, fields: fieldsOf(request), head }
        if (target.endsWith('/early')) respond(socket, asked, 'early')
        if (target.endsWith('/stall')) {
          socket.pause()
          setTimeout(() => socket.resume(), STALL_MS)
        }
      } else if (event.kind === 'end') {
        sum.add(take(event.at))
        if (asked && !asked.target.endsWith('/early')) respond(socket, asked, `${sum}`)
        asked = undefined
      } else socket.destroy()
    }
    if (asked) sum.add(take(base + held.length))
  }
  socket.on('data', events)
  socket.on('error', () => {})
  socket.on('end', () => socket.end())
  socket.on('close', () => process.stdout.write(`${JSON.stringify({ closed: last })}\n`))
})
server.listen(0, host, 4096, () => {
  const address = server.address()
  if (address !== null && typeof address === 'object')
    process.stdout.write(`${JSON.stringify({ port: address.port })}\n`)
})
process.on('SIGTERM', () => process.exit(0))
