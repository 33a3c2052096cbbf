/**
 * Says what it understands, one JSON line a request (Understood, with the name of the server): as Node's own http
 * server, as the server behind nginx and behind haproxy, and by the reference parser, which also says what of the
 * bytes that reached it is no request at all.
 *
 * node smuggling-server.js DIRECTORY   listens at DIRECTORY/nginx.sock and haproxy.sock; prints {"node":PORT,"bytes":PORT}
 */
import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { createHttp1Parser } from '../../../pipelines/protocols/http1.ts'

const [directory = ''] = process.argv.slice(2)
/** More than anybody in front lets pass. */
const MAX_HEAD = 65_536
/** Turns of the event loop in which all that has reached a socket is read. */
const TURNS = 8
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'

const say = (server: string, more: Record<string, unknown>) =>
  process.stdout.write(`${JSON.stringify({ server, ...more })}\n`)

function told(server: string, request: IncomingMessage, parts: Buffer[], whole: boolean): void {
  const { method, url: target } = request
  say(server, { method, target, body: Buffer.concat(parts).toString('latin1'), whole })
}

function httpServer(name: string): Server {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('error', () => {})
    request.on('end', () => {
      told(name, request, parts, true)
      response.setHeader('Content-Length', 0)
      response.end()
    })
    request.on('close', () => {
      if (!request.complete) told(name, request, parts, false)
    })
  }
  const server = createHttpServer({ maxHeaderSize: MAX_HEAD, keepAliveTimeout: 600_000 }, answer)
  // Else it would answer by itself what expects anything but 100-continue.
  return server.on('checkExpectation', answer)
}

/** Bytes that the kernel has put in the place of what it refused are line ends, and no server's business. */
const PADDING = /^[\r\n]*$/
/** Behind a request the kernel refuses it where it ends, the reference where it begins. */
const PREFACE = 'PRI * HTTP/2'
const isNothing = (text: string) => PADDING.test(text) || PREFACE.startsWith(text)

function readBytes(socket: Socket): void {
  const parser = createHttp1Parser()
  let held: Buffer = Buffer.alloc(0)
  let base = 0
  let asked: { method: string; target: string } | undefined
  let refused: string | undefined
  const text = (to: number) => held.subarray(0, to - base).toString('latin1')
  socket.on('data', (bytes) => {
    held = Buffer.concat([held, bytes])
    for (const event of parser.push(bytes)) {
      if (event.kind === 'head') {
        const { method, target } = event.request
        asked = {
          method: Buffer.from(method).toString('latin1'),
          target: Buffer.from(target).toString('latin1'),
        }
      } else if (event.kind === 'end') {
        say('bytes', { ...asked, raw: text(event.at), whole: true })
        held = held.subarray(event.at - base)
        base = event.at
        asked = undefined
        socket.write(OK)
      } else refused = event.kind === 'refused' ? event.reason : event.kind
    }
    if (refused !== undefined && !isNothing(held.toString('latin1')))
      say('bytes', { refused, raw: held.toString('latin1') })
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    if (asked !== undefined) say('bytes', { ...asked, raw: held.toString('latin1'), whole: false })
  })
}

const behind = ['nginx', 'haproxy'].map((name) => httpServer(name).listen(join(directory, `${name}.sock`)))
const node = httpServer('node').listen(0, '127.0.0.1', 4096)
const bytes = createServer({ noDelay: true }, readBytes).listen(0, '127.0.0.1', 4096)
await Promise.all([...behind, node, bytes].map((server) => server.listening || once(server, 'listening')))
const ports = [node, bytes].map((server) => (server.address() as AddressInfo).port)
process.stdout.write(`${JSON.stringify({ node: ports[0], bytes: ports[1] })}\n`)

process.on('SIGTERM', async () => {
  for (let count = 0; count < TURNS; count++) await turn()
  process.stdout.write('{"end":true}\n', () => process.exit(0))
})
