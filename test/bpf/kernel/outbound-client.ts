/**
 * A client inside the managed cgroup, driven line by line: what a workload's own process would do.
 *
 *     {"op":"open","id":1,"host":"10.96.0.1","port":80}   {"op":"send","id":1,"bytes":"<base64>"}
 *     {"op":"end","id":1}   {"op":"destroy","id":1}
 *
 * It says {"id":1,"event":"open"|"data"|"end"|"error"|"close", ...}.
 */
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

type Command = {
  op: 'open' | 'send' | 'end' | 'destroy'
  id: number
  host: string
  port: number
  bytes: string
}

const sockets = new Map<number, Socket>()
const say = (id: number, event: string, more: Record<string, unknown> = {}) =>
  process.stdout.write(`${JSON.stringify({ id, event, ...more })}\n`)

function open({ id, host, port }: Command): void {
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true })
  sockets.set(id, socket)
  socket.on('connect', () => say(id, 'open', { peer: `${socket.remoteAddress} ${socket.remotePort}` }))
  socket.on('data', (bytes) => say(id, 'data', { bytes: bytes.toString('base64') }))
  socket.on('end', () => say(id, 'end'))
  socket.on('error', (error: NodeJS.ErrnoException) => say(id, 'error', { code: error.code }))
  socket.on('close', () => say(id, 'close'))
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line) as Command
  const socket = sockets.get(command.id)
  if (command.op === 'open') open(command)
  else if (command.op === 'send') socket?.write(Buffer.from(command.bytes, 'base64'))
  else if (command.op === 'end') socket?.end()
  else socket?.destroy()
})
say(0, 'ready')
