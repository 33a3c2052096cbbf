/** The local stand-in for API Gateway: webhook in, and two questions that people and tests ask. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import type { Statuses } from '../../functions/ports.ts'
import { MAX_BODY_BYTES } from '../../functions/receive/receive.ts'
import type { WebhookHandler } from '../../functions/receive/handler.ts'
import type { RolloutDesk } from '../../functions/rollout/desk.ts'
import { Failure } from '../../pipelines/contract/failures.ts'

const REQUEST_TIMEOUT_MS = 10_000
const STATUS_PATH = /^\/status\/([0-9a-f]{40}|[0-9a-f]{64})$/

type Desk = { receive: WebhookHandler; rollout: RolloutDesk; statuses: Statuses }

/**
 * POST /webhook, GET /healthz, GET /status/<commit>, GET and POST /rollout (what is under way, an
 * operator's signed command). Listens on a port of loopback, or at a unix socket's path.
 */
export async function listen(place: number | string, desk: Desk): Promise<Server> {
  const server = createServer((request, response) => {
    answer(request, desk)
      .then(({ status, body }) => respond(response, status, body))
      .catch(() => respond(response, 503, '{}'))
  })
  server.requestTimeout = REQUEST_TIMEOUT_MS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    if (typeof place === 'number') server.listen(place, '127.0.0.1', resolve)
    else server.listen(place, resolve)
  })
  return server
}

type Answer = { status: number; body: string }

async function answer(request: IncomingMessage, { receive, rollout, statuses }: Desk): Promise<Answer> {
  const { method, url = '' } = request
  if (method === 'GET' && url === '/healthz') return { status: 200, body: '{"ok":true}' }
  const commit = method === 'GET' ? STATUS_PATH.exec(url)?.[1] : undefined
  if (commit !== undefined) {
    const status = await statuses.get(commit)
    return status === undefined ? { status: 404, body: '{}' } : { status: 200, body: JSON.stringify(status) }
  }
  if (method === 'GET' && url === '/rollout')
    return { status: 200, body: JSON.stringify(await rollout.look()) }
  if (method === 'POST' && url === '/rollout') return command(request, rollout)
  if (method !== 'POST' || url !== '/webhook') return { status: 404, body: '{}' }
  const body = await readBody(request)
  if (body === undefined) return { status: 413, body: '{"code":"webhook-too-large"}' }
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = String(value)
  }
  // The handler reads headers and body of API Gateway's event.
  const event = { headers, body: body.toString('base64'), isBase64Encoded: true }
  const result = await receive(event as unknown as APIGatewayProxyEventV2)
  return { status: result.statusCode ?? 200, body: result.body ?? '' }
}

/** 202: it waits for the director, who notes what became of it. */
async function command(request: IncomingMessage, rollout: RolloutDesk): Promise<Answer> {
  const body = await readBody(request)
  try {
    return { status: 202, body: JSON.stringify(await rollout.command(body?.toString('utf8') ?? '')) }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { status: 403, body: JSON.stringify({ code: error.code, message: error.message }) }
  }
}

/** Undefined = more than anybody may send. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    length += (chunk as Buffer).length
    if (length > MAX_BODY_BYTES) return undefined
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}

function respond(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  response.end(body)
}
