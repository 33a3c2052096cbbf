/** A server in front of another one that does to chosen requests what networks and servers do. */
import { once } from 'node:events'
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * `reset-before`: the connection ends and nothing was done; `reset-after`, `error-after`: it was done. `never`: it was
 * not, and there is no answer. A number: this status and no more.
 */
export type Fault =
  | number
  | 'slow-down'
  | 'reset-before'
  | 'reset-after'
  | 'error-after'
  | 'never'
  | 'trickle'
  | 'truncated'
  | 'corrupted'
  | 'endless'
  | 'endless-error'
  | 'lying-length'

export type FaultyProxy = {
  endpoint: string
  /** Decides about each request, in their order; undefined = none. */
  fault: (request: { method: string; url: string; count: number }) => Fault | undefined
  /** What was asked since `count` was set to 0. */
  count: number
  stop(): Promise<void>
}

/** Signatures name the host they were made for, so that is kept. */
export async function faultyProxy(upstream: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(upstream)
  const server = createServer((incoming, outgoing) => {
    const { method = '', url = '' } = incoming
    const fault = proxy.fault({ method, url, count: proxy.count++ })
    serve(incoming, outgoing, { hostname, port, fault }).catch(() => incoming.socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: FaultyProxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: () => undefined,
    count: 0,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}

type Way = { hostname: string; port: string; fault: Fault | undefined }

async function serve(incoming: IncomingMessage, outgoing: ServerResponse, way: Way): Promise<void> {
  const asked = await read(incoming)
  const { fault } = way
  if (fault === 'never') return
  if (fault === 'reset-before') incoming.socket.resetAndDestroy()
  else if (typeof fault === 'number') outgoing.writeHead(fault).end()
  else if (fault === 'slow-down') outgoing.writeHead(503).end('<Error><Code>SlowDown</Code></Error>')
  else if (fault === 'endless-error') endless(outgoing, 500)
  else {
    const { response, body } = await pass(incoming, asked, way)
    if (fault === 'reset-after') incoming.socket.resetAndDestroy()
    else if (fault === 'error-after') outgoing.writeHead(500).end()
    else answer(outgoing, response, { body, fault })
  }
}

type Spoiled = { body: Buffer; fault: Fault | undefined }

function answer(
  outgoing: ServerResponse,
  { statusCode = 500, headers }: IncomingMessage,
  { body, fault }: Spoiled,
): void {
  const { 'content-length': length, 'transfer-encoding': _, ...rest } = headers
  const said = fault === 'lying-length' ? '1' : (length ?? String(body.length))
  if (fault === 'endless') {
    endless(outgoing, statusCode, rest)
    return
  }
  outgoing.writeHead(statusCode, { ...rest, 'content-length': said })
  if (fault === 'trickle') {
    const drip = setInterval(() => outgoing.write(' '), 20)
    outgoing.once('close', () => clearInterval(drip))
  } else if (fault === 'truncated') {
    outgoing.write(body.subarray(0, body.length >> 1), () => outgoing.socket?.end())
  } else outgoing.end(fault === 'corrupted' ? body.map((byte) => byte ^ 1) : body)
}

function endless(outgoing: ServerResponse, status: number, headers: OutgoingHttpHeaders = {}): void {
  outgoing.writeHead(status, headers)
  const more = () => {
    while (outgoing.write(Buffer.alloc(65_536, ' ')));
  }
  outgoing.on('drain', more)
  more()
}

async function pass(incoming: IncomingMessage, body: Buffer, { hostname, port }: Way) {
  const { method, url: path, headers } = incoming
  const forward = request({ hostname, port, method, path, headers, agent: false })
  forward.end(body)
  const [response] = (await once(forward, 'response')) as [IncomingMessage]
  return { response, body: await read(response) }
}

async function read(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
