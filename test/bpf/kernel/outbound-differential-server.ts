/**
 * Servers that record: each tells the exact bytes of every request that reached it, and answers in the manner
 * that the request asks for.
 *
 * node outbound-differential-server.js '[["NAME","HOST"],…]'   prints {"ports":[…]}, then {"id","server","bytes"}
 */
import { createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import { createHttp1Parser } from '../../../pipelines/protocols/http1.ts'
import { type Asked, answer, askedOf, writes } from './outbound-differential-manners.ts'

const say = (said: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(said)}\n`)

function respond(socket: Socket, asked: Asked): void {
  const said = answer(asked)
  for (const part of writes(said, asked.manner)) if (part !== '') socket.write(part, 'latin1')
  if (said.ends) socket.end()
}

function serve(name: string, socket: Socket): void {
  const parser = createHttp1Parser()
  let held: Buffer = Buffer.alloc(0)
  let base = 0
  let asked: Asked | undefined
  socket.on('data', (bytes) => {
    held = Buffer.concat([held, bytes])
    for (const event of parser.push(bytes)) {
      if (event.kind === 'head') asked = askedOf(name, event.request)
      else if (event.kind === 'end' && asked) {
        const message = held.subarray(0, event.at - base)
        held = held.subarray(event.at - base)
        base = event.at
        say({ id: asked.id, server: name, bytes: message.toString('base64') })
        respond(socket, asked)
      } else {
        say({ id: 'refused', server: name, bytes: held.toString('base64') })
        socket.destroy()
      }
    }
  })
  socket.on('error', () => {})
  socket.on('end', () => socket.end())
}

const ports: number[] = []
for (const [name, host] of JSON.parse(process.argv[2] ?? '[]') as [string, string][]) {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => serve(name, socket))
  server.listen(0, host, 4096)
  await once(server, 'listening')
  ports.push((server.address() as { port: number }).port)
}
say({ ports })
