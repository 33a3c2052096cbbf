/**
 * A client of many connections, one a stream: first {"op":"open",...}, answered with the connection's own port, then
 * {"op":"run",...}, answered when the connection has gone.
 *
 * `lead`: sent first, and its answer awaited. `parts`: one write each. `replies`: how many are awaited before it ends
 * its side. All bytes in base64.
 */
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

export type Command =
  | { op: 'open'; id: number; host: string; port: number }
  | { op: 'run'; id: number; lead: string; parts: string[]; replies: number }
export type Said =
  | { id: number; port: number }
  | { id: number; end: 'closed' | 'hangs' | 'unconnected'; text: string }

/** Milliseconds; a machine under load is slow, a hang is for ever. */
const PATIENCE = 15_000
/** Final answers; between them are bodies that hold no such line. */
const ANSWER = /HTTP\/1\.[01] [2-5]\d\d /g

const sockets = new Map<number, Socket>()
const say = (said: Said) => process.stdout.write(`${JSON.stringify(said)}\n`)

function open({ id, host, port }: Extract<Command, { op: 'open' }>): void {
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true })
  sockets.set(id, socket)
  const failed = () => say({ id, end: 'unconnected', text: '' })
  socket.on('error', () => {})
  socket.once('close', failed)
  socket.once('connect', () => {
    socket.off('close', failed)
    say({ id, port: socket.localPort ?? 0 })
  })
}

async function run({ id, lead, parts, replies }: Extract<Command, { op: 'run' }>): Promise<void> {
  const socket = sockets.get(id) as Socket
  sockets.delete(id)
  let text = ''
  let wake = () => {}
  let over = socket.closed
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1')
    wake()
  })
  socket.on('end', () => {
    over = true
    wake()
  })
  const closed = new Promise<void>((resolve) => {
    const gone = () => {
      over = true
      wake()
      resolve()
    }
    if (socket.closed) gone()
    else socket.once('close', gone)
  })
  let end: 'closed' | 'hangs' = 'closed'
  const patience = setTimeout(() => {
    end = 'hangs'
    socket.destroy()
  }, PATIENCE)
  const answered = async (count: number) => {
    while (!over && (text.match(ANSWER)?.length ?? 0) < count)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
  }
  if (lead !== '') {
    socket.write(Buffer.from(lead, 'base64'))
    await answered(1)
    text = ''
  }
  for (const part of parts) if (!socket.destroyed) socket.write(Buffer.from(part, 'base64'))
  await answered(replies)
  socket.end()
  await closed
  clearTimeout(patience)
  say({ id, end, text: Buffer.from(text, 'latin1').toString('base64') })
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line) as Command
  if (command.op === 'open') open(command)
  else void run(command)
})
process.stdout.write('{"ready":true}\n')
