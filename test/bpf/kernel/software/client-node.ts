/**
 * Clients of Node, each on one connection: `http` with an agent, the built-in `fetch`, and `undici`.
 * See clients.ts for what they read and say.
 *
 * node client-node.js http|fetch|undici
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, statSync } from 'node:fs'
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { Agent, request as undiciRequest, WebSocket } from 'undici'

type Exchange = { method: string; url: string; headers: Record<string, string>; path: string }
type Reply = { status: number; body: AsyncIterable<Uint8Array> }

const httpAgent = new HttpAgent({ keepAlive: true, maxSockets: 1 })
const agent = new Agent({ connections: 1, bodyTimeout: 0, headersTimeout: 600_000 })

/** With its length: a body without is sent in chunks. */
const bodyOf = ({ method, path }: Exchange) => (method === 'POST' ? createReadStream(path) : undefined)

const WAYS: Record<string, (exchange: Exchange) => Promise<Reply>> = {
  http: async (exchange) => {
    const { url, method, headers, path } = exchange
    const length = method === 'POST' ? { 'Content-Length': String(statSync(path).size) } : {}
    const request = httpRequest(url, { method, headers: { ...headers, ...length }, agent: httpAgent })
    const body = bodyOf(exchange)
    if (body) body.pipe(request)
    else request.end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return { status: response.statusCode ?? 0, body: response }
  },
  fetch: async (exchange) => {
    const { url, method, headers } = exchange
    const body = bodyOf(exchange)
    const sent = body ? { body: Readable.toWeb(body), duplex: 'half' } : {}
    const response = await fetch(url, { method, headers, ...sent } as object)
    return { status: response.status, body: response.body as unknown as AsyncIterable<Uint8Array> }
  },
  undici: async (exchange) => {
    const { url, method, headers, path } = exchange
    const length = method === 'POST' ? { 'content-length': String(statSync(path).size) } : {}
    const { statusCode, body } = await undiciRequest(url, {
      method: method as 'GET' | 'POST',
      headers: { ...headers, ...length },
      body: bodyOf(exchange) ?? null,
      dispatcher: agent,
    })
    return { status: statusCode, body }
  },
}

async function exchange(line: string): Promise<string> {
  const [method = '', url = '', pad = '', path = '', want = ''] = line.split(' ')
  if (method === 'WS') return echo(url, path)
  const headers: Record<string, string> = pad === '0' ? {} : { 'X-Pad': 'p'.repeat(Number(pad)) }
  const way = WAYS[process.argv[2] ?? 'http'] as (exchange: Exchange) => Promise<Reply>
  const { status, body } = await way({ method, url, headers, path })
  const hash = createHash('sha256')
  let text = ''
  for await (const part of body) {
    hash.update(part)
    if (text.length < 64) text += Buffer.from(part).toString('latin1', 0, 64)
  }
  const found = method === 'GET' ? hash.digest('hex') : text
  return status === 200 && found === want ? 'ok' : `${status} ${text}`
}

async function echo(url: string, text: string): Promise<string> {
  const socket = new WebSocket(url)
  const heard = new Promise<string>((resolve) => {
    socket.addEventListener('message', ({ data }) => resolve(String(data)))
    socket.addEventListener('error', ({ message }) => resolve(message))
    socket.addEventListener('close', ({ code }) => resolve(`closed ${code}`))
  })
  socket.addEventListener('open', () => socket.send(text))
  const said = await heard
  socket.close()
  return said === text ? 'ok' : said
}

/** One after the other: an answer a line. */
for await (const line of createInterface({ input: process.stdin })) {
  const said = await exchange(line).catch((error: Error) => `${error.message} ${error.cause ?? ''}`)
  process.stdout.write(`${said.replaceAll('\n', ' ')}\n`)
}
