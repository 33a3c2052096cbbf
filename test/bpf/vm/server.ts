/**
 * The service of a lane: an HTTP server in a cgroup and a network namespace of
 * its own, that echoes what it was asked and tells what it took, by connection.
 */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { execa } from 'execa'
import { type Listener, LISTENERS, PEER_LINK, SERVER_ADDRESSES } from './network.ts'

/** Client port -> requests. */
const taken = new Map<number, string[]>()

const server = () =>
  createServer({ keepAliveTimeout: 0 }, (request, response) => {
    const port = request.socket.remotePort ?? 0
    const list = taken.get(port) ?? []
    taken.set(port, list)
    const said = `${request.method} ${request.url}`
    const at = list.push(said) - 1
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    request.on('end', () => {
      list[at] = `${said} ${bytes}`
      response.end(said)
    })
    request.on('error', () => {}) // the client left in the middle: nothing to tell
  })

function listen(listener: Listener): Promise<void> {
  return new Promise((resolve, reject) => {
    const one = server()
    one.once('error', reject)
    one.listen({ ...listener, backlog: 64 }, resolve)
  })
}

async function start(): Promise<void> {
  await execa('ip', ['link', 'set', 'lo', 'up'])
  for (const address of SERVER_ADDRESSES)
    await execa('ip', ['addr', 'add', address, 'dev', PEER_LINK, ...(address.includes(':') ? ['nodad'] : [])])
  await execa('ip', ['link', 'set', PEER_LINK, 'up'])
  for (const listener of LISTENERS) await listen(listener)
  process.send?.({ ready: true })
}

process.on('message', (message: { network?: true; taken?: number }) => {
  if (message.network)
    start().catch((error: Error) => {
      process.stderr.write(`${error.stack}\n`)
      process.exit(1)
    })
  if (message.taken === undefined) return
  process.send?.({ taken: message.taken, requests: taken.get(message.taken) ?? [] })
  taken.delete(message.taken) // the port will be used again
})
process.on('disconnect', () => process.exit(0))

// Before any socket exists: a socket belongs to the cgroup it is made in.
writeFileSync(`${process.argv[2]}/cgroup.procs`, String(process.pid))
process.send?.({ joined: true })
