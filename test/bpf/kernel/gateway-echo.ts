/**
 * What the Gateway API's conformance tests have behind their services: servers that answer with what they
 * received. One process listens for many of them.
 *
 *     ?delay=1s             answers after that time
 *     ?succeedAfter=N&uuid=…&responseCode=C   answers the first N such requests with C; without a code it resets
 *     X-Echo-Set-Header: name:value, …        fields of the response
 *
 * node gateway-echo.js NAMESPACE/NAME…   prints {"NAMESPACE/NAME":PORT, …}
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { millisecondsOf } from '../../../pipelines/languages/durations.ts'

/** What a response's body says, as JSON. */
export type Echo = {
  namespace: string
  backend: string
  method: string
  path: string
  fields: [string, string][]
}

const failed = new Map<string, number>()

/** How a request that is to fail does; undefined = it does not. */
function failure(query: URLSearchParams): number | 'reset' | undefined {
  const after = Number(query.get('succeedAfter') ?? 0)
  const key = query.get('uuid') ?? ''
  const times = failed.get(key) ?? 0
  if (times >= after) return undefined
  failed.set(key, times + 1)
  const code = query.get('responseCode')
  return code === null ? 'reset' : Number(code)
}

function pairs(list: readonly string[]): [string, string][] {
  return list.flatMap((name, index): [string, string][] =>
    index % 2 === 0 ? [[name, list[index + 1] ?? '']] : [],
  )
}

async function answer(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [namespace = '', backend = ''] = name.split('/')
  const { method = '', url: path = '', headers, rawHeaders } = request
  const query = new URL(path, 'http://echo').searchParams
  request.resume()
  const wrong = failure(query)
  if (wrong === 'reset') {
    request.socket.resetAndDestroy()
    return
  }
  await sleep(millisecondsOf(query.get('delay') ?? '0s'))
  for (const field of String(headers['x-echo-set-header'] ?? '').split(',')) {
    const colon = field.indexOf(':')
    if (colon > 0) response.setHeader(field.slice(0, colon).trim(), field.slice(colon + 1).trim())
  }
  const echo: Echo = { namespace, backend, method, path, fields: pairs(rawHeaders) }
  const body = Buffer.from(JSON.stringify(echo))
  response.statusCode = wrong ?? 200
  response.setHeader('Content-Length', body.length)
  response.end(body)
}

const names = process.argv.slice(2)
const ports = names.map(async (name) => {
  const server = createServer((request, response) => void answer(name, request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return [name, (server.address() as AddressInfo).port] as const
})
process.stdout.write(`${JSON.stringify(Object.fromEntries(await Promise.all(ports)))}\n`)
