/**
 * A server that shows what reached it: answers every complete request with its
 * number, and prints, as one JSON line per closed connection, the exact bytes
 * that it received. It reads leniently (its own framing is the reference
 * parser's until that stops; then it only records).
 *
 * node recording-server.js HOST [BODY_BYTES]   prints {"port":N} first
 */
import { createServer } from 'node:net'
import { createHttp1Parser } from '../../../pipelines/protocols/http1.ts'

const [host = '127.0.0.1', bodyBytes = '0'] = process.argv.slice(2)
const padding = 'x'.repeat(Number(bodyBytes))

/** Answers show which request they belong to, so that order can be checked. */
function answer(number: number, target: string, head: boolean): string {
  const body = `${number} ${target} ${padding}`
  return `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body, 'latin1')}\r\n\r\n${head ? '' : body}`
}

const server = createServer({ allowHalfOpen: true }, (socket) => {
  const received: Buffer[] = []
  const parser = createHttp1Parser()
  const waiting: { target: string; head: boolean }[] = []
  let number = 0
  socket.setNoDelay(true)
  socket.on('data', (bytes) => {
    received.push(bytes)
    for (const event of parser.push(bytes)) {
      if (event.kind === 'head') {
        const target = Buffer.from(event.request.target).toString('latin1')
        waiting.push({ target, head: Buffer.from(event.request.method).toString() === 'HEAD' })
      } else if (event.kind === 'end') {
        const request = waiting.shift()
        if (request) socket.write(answer(++number, request.target, request.head), 'latin1')
      }
    }
  })
  socket.on('error', () => {})
  socket.on('end', () => socket.end())
  const port = socket.remotePort
  socket.on('close', () => {
    process.stdout.write(`${JSON.stringify({ port, bytes: Buffer.concat(received).toString('base64') })}\n`)
  })
})

server.listen(0, host, 4096, () => {
  const address = server.address()
  if (address !== null && typeof address === 'object')
    process.stdout.write(`${JSON.stringify({ port: address.port })}\n`)
})
process.on('SIGTERM', () => process.exit(0))
