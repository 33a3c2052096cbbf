/** One connection of a client: plays the steps of a case and tells what came back. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

/** No reply is this late, even in an emulated machine. */
const DEADLINE_MS = 30_000

/** Bytes and what they say; undefined = not all of it is there. */
type Body = { bytes: number; text: string } | undefined

/** `x-asked`: a server of ours says what it answers to. */
function bodyBehind(head: string, text: string): Body {
  if (/^HTTP\/1\.1 (1\d\d|204|304) /.test(head) || /^x-asked: HEAD$/im.test(head))
    return { bytes: 0, text: '' }
  if (/^transfer-encoding: *chunked/im.test(head)) return chunksOf(text)
  const bytes = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
  return text.length < bytes ? undefined : { bytes, text: text.slice(0, bytes) }
}

function chunksOf(text: string): Body {
  let said = ''
  for (let at = 0; ; ) {
    const [line = '', size = ''] = /^([0-9a-f]+)[^\r]*\r\n/i.exec(text.slice(at)) ?? []
    if (line === '') return undefined
    const bytes = Number.parseInt(size, 16)
    if (bytes === 0) {
      const trailers = /^(.+\r\n)*\r\n/.exec(text.slice(at + line.length))
      return trailers ? { bytes: at + line.length + trailers[0].length, text: said } : undefined
    }
    said += text.slice(at + line.length, at + line.length + bytes)
    at += line.length + bytes + 2
  }
}

/** Bodies up to here are told in full; of longer ones only their length. */
const TOLD_BYTES = 200

/** Replies in a stream: `STATUS BODY`, the body without the blanks that pad a local reply. */
function repliesIn(text: string): string[] {
  const replies: string[] = []
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n\r\n', at)
    if (end < 0) return replies
    const head = text.slice(at, end)
    const body = bodyBehind(head, text.slice(end + 4))
    if (body === undefined) return replies
    const said = body.text.trim()
    const told = said.length > TOLD_BYTES ? `${said.length} bytes` : said
    replies.push(`${head.split(' ')[1]} ${told}`.trim())
    at = end + 4 + body.bytes
  }
}

class Inbox {
  private text = ''
  private readonly socket: Socket

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes) => {
      this.text += bytes.toString('latin1')
      socket.emit('heard')
    })
    // A reset ends the conversation as well as a close does: what was heard counts.
    socket.on('error', () => {})
  }

  /** Until so many replies are here, or the connection is over. */
  async untilReplies(count: number): Promise<void> {
    const signal = AbortSignal.timeout(DEADLINE_MS)
    while (repliesIn(this.text).length < count && !this.socket.closed) {
      const heard = Promise.race([
        once(this.socket, 'heard', { signal }),
        once(this.socket, 'close', { signal }),
      ]).catch(() => undefined)
      await heard
      if (signal.aborted) return
    }
  }

  /** Until the other side has said that nothing follows. */
  async untilEnded(): Promise<void> {
    const signal = AbortSignal.timeout(DEADLINE_MS)
    if (!this.socket.readableEnded) await once(this.socket, 'end', { signal }).catch(() => {})
  }

  replies(): string[] {
    return repliesIn(this.text)
  }
}

export type Way = { host: string; port: number; localAddress?: string }
/** What a conversation knows of by itself: bytes to send, replies to wait for, the other side's end, whether it reads. */
type Spoken = string | { replies: number } | { ended: true } | { reads: boolean }

/** Throws when the connection is not made in time. */
async function dial(way: Way): Promise<Socket> {
  const socket = connect({ ...way, noDelay: true })
  await once(socket, 'connect', { signal: AbortSignal.timeout(DEADLINE_MS) })
  return socket
}

async function send(socket: Socket, bytes: string): Promise<void> {
  if (socket.destroyed) return
  await new Promise<void>((resolve) => socket.write(bytes, 'latin1', () => resolve()))
  // Its own segment: the next write comes after this one has left.
  await turn()
}

/**
 * Replies to the steps, read until the connection is over; `end` stands for an end that was waited for.
 * `expected` replies are waited for, what else a step is `act` does.
 */
export async function converse<Act extends object>(
  way: Way,
  steps: (Spoken | Act)[],
  expected: number,
  act: (step: Act) => Promise<void>,
): Promise<{ port: number; peer: string; replies: string[] }> {
  const socket = await dial(way)
  const port = socket.localPort ?? 0
  const peer = `${socket.remoteAddress} ${socket.remotePort}`
  const inbox = new Inbox(socket)
  const ends: string[] = []
  for (const step of steps) {
    if (typeof step === 'string') await send(socket, step)
    else if ('replies' in step) await inbox.untilReplies(step.replies)
    else if ('reads' in step) {
      if (step.reads) socket.resume()
      else socket.pause()
    } else if ('ended' in step) {
      await inbox.untilEnded()
      if (socket.readableEnded) ends.push('end')
    } else await act(step)
  }
  await inbox.untilReplies(expected)
  socket.end()
  // Whatever else would come has come when the other side is gone.
  if (!socket.closed)
    await once(socket, 'close', { signal: AbortSignal.timeout(DEADLINE_MS) }).catch(() => {})
  socket.destroy()
  return { port, peer, replies: [...inbox.replies(), ...ends] }
}
