/** One JSON document for each connection to a unix socket: no work while nobody asks. */
import { rmSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'

/** Bytes that an answer may have; a relay says a few kilobytes. */
const MAX_ANSWER = 1_048_576
/** Milliseconds for a whole answer: a relay on a busy machine is slow, and still there. */
const ANSWER_TIMEOUT_MS = 10_000

/** Listens at `path`; resolves to what stops it. Replaces a socket left by a killed relay. */
export function serveStats(path: string, stats: () => unknown): Promise<() => Promise<void>> {
  rmSync(path, { force: true })
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.end(`${JSON.stringify(stats())}\n`)
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path }, () => resolve(() => new Promise((closed) => server.close(() => closed()))))
  })
}

/** Asks the relay at `path`. Throws when none answers. */
export async function askRelay(path: string): Promise<unknown> {
  const socket = createConnection({ path, timeout: ANSWER_TIMEOUT_MS })
  socket.once('timeout', () => socket.destroy(new Error(`no answer from the relay at ${path}`)))
  socket.setEncoding('utf8')
  let text = ''
  for await (const part of socket) {
    text += part as string
    if (text.length > MAX_ANSWER) throw new Error(`the relay at ${path} says too much`)
  }
  return JSON.parse(text)
}
