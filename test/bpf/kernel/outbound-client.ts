/**
 * A client inside the managed cgroup, driven line by line: what a workload's own process would do.
 *
 *     {"op":"open","id":1,"host":"10.96.0.1","port":80}   {"op":"send","id":1,"bytes":"<base64>"}
 *     {"op":"end","id":1}   {"op":"reset","id":1}   {"op":"destroy","id":1}   {"op":"pause","id":1}   {"op":"resume","id":1}
 *     {"op":"sum","id":1}: from here on bytes are counted and summed, not told; "total" says both
 *
 * It says {"id":1,"event":"open"|"data"|"end"|"error"|"close", ...}.
 */
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

type Command = {
  op: 'open' | 'send' | 'end' | 'reset' | 'destroy' | 'pause' | 'resume' | 'sum'
  id: number
  host: string
  port: number
  bytes: string
}

const sockets = new Map<number, Socket>()
const totals = new Map<number, { bytes: number; sum: number }>()
const say = (id: number, event: string, more: Record<string, unknown> = {}) =>
  process.stdout.write(`${JSON.stringify({ id, event, ...more })}\n`)

function open({ id, host, port }: Command): void {
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true })
  sockets.set(id, socket)
  socket.on('connect', () => say(id, 'open', { peer: `${socket.remoteAddress} ${socket.remotePort}` }))
  socket.on('data', (bytes) => {
    const total = totals.get(id)
    if (!total) say(id, 'data', { bytes: bytes.toString('base64') })
    else {
      total.bytes += bytes.length
      for (const byte of bytes) total.sum = (total.sum * 31 + byte) % 1_000_000_007
      say(id, 'total', total)
    }
  })
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
  else if (command.op === 'reset') socket?.resetAndDestroy()
  else if (command.op === 'pause') socket?.pause()
  else if (command.op === 'resume') socket?.resume()
  else if (command.op === 'sum') totals.set(command.id, { bytes: 0, sum: 0 })
  else socket?.destroy()
})
say(0, 'ready')
