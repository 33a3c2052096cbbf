/** What Node's own HTTP server (llhttp, strict) reads from a stream. */
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'

export type NodeReading = {
  requests: { method: string; target: string; fields: string[]; body: number }[]
  /** llhttp's code, as HPE_INVALID_METHOD. */
  error: string | undefined
}

/** Turns of the event loop after which a stream in memory has been read to its end. */
const TURNS = 3

/** Read one stream, all of it in one segment, over a connection in memory. */
export async function readByNode(stream: Uint8Array): Promise<NodeReading> {
  const reading: NodeReading = { requests: [], error: undefined }
  const options = { insecureHTTPParser: false, maxHeaderSize: 65536, keepAliveTimeout: 0 }
  const server = createServer(options, (request, response) => {
    const { method = '', url = '', rawHeaders } = request
    const read = { method, target: url, fields: rawHeaders, body: 0 }
    reading.requests.push(read)
    request.on('data', (data: Buffer) => {
      read.body += data.length
    })
    response.end()
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    reading.error ??= error.code ?? error.message
    socket.destroy()
  })
  const connection = new Duplex({ read() {}, write: (_data, _encoding, done) => done(), autoDestroy: true })
  connection.on('error', () => {})
  server.emit('connection', connection as Socket)
  connection.push(stream)
  for (let count = 0; count < TURNS; count++) await turn()
  connection.destroy()
  return reading
}
