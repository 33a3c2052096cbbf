/**
 * The workloads of a lane's client side, one process in the managed cgroup: two servers that answer in
 * the manner that the target asks for, and the clients that call them by a service's address.
 *
 *     /…/204 /304 /interim /chunked /pieces /big-BYTES /close /die     all others: plain
 */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { converse, type Way } from './conversation.ts'
import type { CallStep } from './outbound-cases.ts'

export type Play = { way: Way; steps: CallStep[]; expected: number }
export type Played = { peer: string; replies: string[] }
/** What a step asks of the driver. */
export type Act = Extract<
  CallStep,
  { warm: true } | { offered: true } | { direct: true } | { rest: true } | { flip: string }
>
export type ToPeer = { play: Play } | { acted: true }
export type FromPeer = { ports: number[] } | { played: Played } | { act: Act } | { failed: string }

const tell = (message: FromPeer) => process.send?.(message)
/** The driver has done what the step under way asked of it. */
let acted = () => {}

function respond(response: ServerResponse, manner: string, body: string): void {
  if (manner === 'die') response.socket?.resetAndDestroy()
  else if (manner === '204' || manner === '304') response.writeHead(Number(manner)).end()
  else if (manner === 'chunked') {
    response.writeHead(200, { Trailer: 'X-Trailer' })
    response.write(body.slice(0, 3))
    response.write(body.slice(3))
    response.addTrailers({ 'X-Trailer': 't' })
    response.end()
  } else if (manner === 'pieces') {
    for (const byte of body) response.write(byte)
    response.end()
  } else if (manner.startsWith('big-')) {
    const bytes = Number(manner.slice('big-'.length))
    response.writeHead(200, { 'Content-Length': bytes }).end(Buffer.alloc(bytes, 'x'))
  } else {
    if (manner === 'interim') response.writeEarlyHints({ link: '</style.css>; rel=preload' })
    response.writeHead(200, {
      'Content-Length': body.length,
      'X-Asked': response.req.method ?? '',
      Connection: manner === 'close' ? 'close' : 'keep-alive',
    })
    response.end(body)
  }
}

async function startServer(name: string): Promise<Server> {
  const server = createServer({ keepAliveTimeout: 0, noDelay: true }, (request, response) => {
    const { method, url = '' } = request
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    request.on('end', () =>
      respond(response, url.split('/').at(-1) ?? '', `${name} ${method} ${url} ${bytes}`),
    )
    request.on('error', () => {}) // the caller left in the middle: nothing to tell
  })
  server.listen(0, '127.0.0.1', 64)
  await once(server, 'listening')
  return server
}

async function play({ way, steps, expected }: Play, servers: Record<'a' | 'b', Server>): Promise<Played> {
  const heard = await converse(way, steps, expected, async (step) => {
    if ('drop' in step) servers[step.drop].closeAllConnections()
    else {
      const done = new Promise<void>((resolve) => {
        acted = resolve
      })
      tell({ act: step })
      await done
    }
  })
  return { peer: heard.peer, replies: heard.replies }
}

/** A connection that is not made is an answer too. */
function notMade(error: NodeJS.ErrnoException): void {
  if (error.syscall === 'connect') tell({ played: { peer: error.code ?? 'unknown', replies: [] } })
  else tell({ failed: `${error.stack}` })
}

// Before any socket exists: a socket belongs to the cgroup it is made in.
writeFileSync(`${process.argv[2]}/cgroup.procs`, String(process.pid))
const servers = { a: await startServer('a'), b: await startServer('b') }
process.on('message', (message: ToPeer) => {
  if ('acted' in message) acted()
  else play(message.play, servers).then((played) => tell({ played }), notMade)
})
process.on('disconnect', () => process.exit(0))
tell({ ports: Object.values(servers).map((server) => (server.address() as AddressInfo).port) })
