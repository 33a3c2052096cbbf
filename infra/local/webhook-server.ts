/** The local stand-in for API Gateway: webhook in, and two questions that people and tests ask. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import type { Statuses } from '../../functions/ports.ts'
import { MAX_BODY_BYTES } from '../../functions/receive/receive.ts'
import type { WebhookHandler } from '../../functions/receive/handler.ts'

const REQUEST_TIMEOUT_MS = 10_000
const STATUS_PATH = /^\/status\/([0-9a-f]{40}|[0-9a-f]{64})$/

/** POST /webhook, GET /healthz, GET /status/<commit>. Listens on loopback only. */
export async function listen(port: number, receive: WebhookHandler, statuses: Statuses): Promise<Server> {
  const server = createServer((request, response) => {
    answer(request, receive, statuses)
      .then(({ status, body }) => respond(response, status, body))
      .catch(() => respond(response, 503, '{}'))
  })
  server.requestTimeout = REQUEST_TIMEOUT_MS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return server
}

type Answer = { status: number; body: string }

async function answer(
  request: IncomingMessage,
  receive: WebhookHandler,
  statuses: Statuses,
): Promise<Answer> {
  const { method, url = '' } = request
  if (method === 'GET' && url === '/healthz') return { status: 200, body: '{"ok":true}' }
  const commit = method === 'GET' ? STATUS_PATH.exec(url)?.[1] : undefined
  if (commit !== undefined) {
    const status = await statuses.get(commit)
    return status === undefined ? { status: 404, body: '{}' } : { status: 200, body: JSON.stringify(status) }
  }
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
