/** One connection of a client: plays the steps of a case and tells what came back. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import type { Step } from './cases.ts'

/** No reply is this late, even in an emulated machine. */
const DEADLINE_MS = 10_000

/** Replies in a stream: `STATUS BODY`, the body without the blanks that pad a local reply. */
function repliesIn(text: string): string[] {
  const replies: string[] = []
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n\r\n', at)
    if (end < 0) return replies
    const head = text.slice(at, end)
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
    if (text.length < end + 4 + length) return replies
    replies.push(`${head.split(' ')[1]} ${text.slice(end + 4, end + 4 + length)}`.trim())
    at = end + 4 + length
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

  replies(): string[] {
    return repliesIn(this.text)
  }
}

export type Way = { host: string; port: number; localAddress: string }

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

/** Replies to the steps, read until the connection is over. `expected` replies are waited for. */
export async function converse(
  way: Way,
  steps: Step[],
  expected: number,
  act: (step: Exclude<Step, string>) => Promise<void>,
): Promise<{ port: number; replies: string[] }> {
  const socket = await dial(way)
  const port = socket.localPort ?? 0
  const inbox = new Inbox(socket)
  for (const step of steps) {
    if (typeof step === 'string') await send(socket, step)
    else if ('replies' in step) await inbox.untilReplies(step.replies)
    else await act(step)
  }
  await inbox.untilReplies(expected)
  socket.end()
  // Whatever else would come has come when the other side is gone.
  if (!socket.closed)
    await once(socket, 'close', { signal: AbortSignal.timeout(DEADLINE_MS) }).catch(() => {})
  socket.destroy()
  return { port, replies: inbox.replies() }
}
