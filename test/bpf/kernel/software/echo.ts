/**
 * Echoes WebSocket messages (RFC 6455), frame by frame. Beside origin.ts: a Node server that knows one
 * protocol to switch to is asked about every other one, and would have to answer as if it knew none.
 *
 * node echo.js HOST PORT   HOST `unix`: PORT is a path
 */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'

const [host = '', port = ''] = process.argv.slice(2)
/** RFC 6455 1.3 */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** The first frame of `bytes` without its mask, and its length; undefined = there is more to come (RFC 6455 5.2). */
function echoOf(bytes: Buffer): { frame: Buffer; length: number } | undefined {
  const short = (bytes[1] ?? 0) & 0x7f
  const size = short === 126 ? 4 : short === 127 ? 10 : 2
  if (bytes.length < size + 4) return undefined
  const body =
    short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
  const length = size + 4 + body
  if (bytes.length < length) return undefined
  const frame = Buffer.concat([bytes.subarray(0, size), bytes.subarray(size + 4, length)])
  frame.writeUInt8(short, 1)
  const mask = bytes.subarray(size, size + 4)
  for (let i = 0; i < body; i++) frame.writeUInt8(frame.readUInt8(size + i) ^ mask.readUInt8(i % 4), size + i)
  return { frame, length }
}

const server = createServer((_, response) => response.writeHead(426).end())
server.on('upgrade', (request, socket, early) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${GUID}`)
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      `Sec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`,
  )
  let held: Buffer = early
  const answer = () => {
    for (let echo = echoOf(held); echo; echo = echoOf(held)) {
      socket.write(echo.frame)
      held = held.subarray(echo.length)
    }
  }
  socket.on('data', (bytes: Buffer) => {
    held = Buffer.concat([held, bytes])
    answer()
  })
  socket.on('end', () => socket.end())
  socket.on('error', () => {})
  answer()
})
server.listen(host === 'unix' ? { path: port } : { host, port: Number(port) })
