/** One connection of a client, byte for byte. */
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'

export type Exchange = { port: number; replies: Buffer }

/**
 * Sends the segments one write each, reads until `enough` says so of what came,
 * then ends the connection and returns all that was read until it was closed.
 */
export async function exchange(
  to: { host: string; port: number; from: string },
  parts: Buffer[],
  enough: (replies: Buffer) => boolean,
): Promise<Exchange> {
  const socket = connect({ host: to.host, port: to.port, localAddress: to.from, noDelay: true })
  await once(socket, 'connect')
  const port = socket.localPort ?? 0
  const chunks: Buffer[] = []
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const read = new Promise<void>((resolve) => {
    const check = () => enough(Buffer.concat(chunks)) && resolve()
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      check()
    })
    socket.on('error', () => {})
    socket.on('end', () => resolve())
    socket.on('close', () => resolve())
    check()
  })
  for (const part of parts) writeNow(socket, part)
  await read
  socket.end()
  await closed
  return { port, replies: Buffer.concat(chunks) }
}

function writeNow(socket: Socket, part: Buffer): void {
  if (!socket.destroyed) socket.write(part)
}

/** The replies in a byte stream: status and body, as far as they are complete. */
export function readReplies(
  bytes: Buffer,
  heads: boolean[],
): { status: number; body: string; end: number }[] {
  const found: { status: number; body: string; end: number }[] = []
  let at = 0
  for (;;) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end < 0) return found
    const head = bytes.subarray(at, end).toString('latin1')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1] ?? 0)
    const ours = status !== 200
    const length =
      heads[found.length] && !ours ? 0 : Number(/\r\ncontent-length:\s*(\d+)/i.exec(head)?.[1] ?? 0)
    if (bytes.length < end + 4 + length) return found
    at = end + 4 + length
    found.push({ status, body: bytes.subarray(end + 4, at).toString('latin1'), end: at })
  }
}
