/** What goes through the slow path: byte for byte, in order, each request to its own endpoint. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Outcome } from '../../../../agent/relay/outbound/ports.ts'
import type { Request } from '../../../../pipelines/protocols/http1-request.ts'
import {
  answering,
  Client,
  type Endpoint,
  eventually,
  ok,
  type SlowPath,
  slowPath,
  targetOf,
  textOf,
  to,
} from './slow-path.ts'

let a: Endpoint
let b: Endpoint
let relay: SlowPath

/** Bodies of responses by the request's target; the rest echoes the request's body. */
const RESPONSES: Record<string, string> = {
  '/interim':
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  '/204': 'HTTP/1.1 204 No Content\r\n\r\n',
  '/304': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n',
  '/chunked':
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a="b c"\r\nhello\r\n00003\r\nyou\r\n0;z\r\nX: y\r\n\r\n',
  '/no-reason': 'HTTP/1.1 200\r\ncontent-length:0\r\n\r\n',
  '/coded': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
}

function answer(name: string, request: Request, body: string): string {
  const target = targetOf(request)
  if (textOf(request.method) === 'HEAD') return 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'
  return RESPONSES[target] ?? ok(`${name} ${target} ${body}`)
}

function route(request: Request): Outcome {
  const target = targetOf(request)
  if (target === '/none') return { kind: 'reply', status: 404 }
  if (target === '/moved') return { kind: 'own-reply', reply: Buffer.from(MOVED + ADDED) }
  if (target === '/denied') return { kind: 'deny' }
  if (target === '/throws') throw new Error('no table')
  if (target.startsWith('/edited'))
    return to(a, {
      request: (head) =>
        Buffer.from(
          textOf(head)
            .replace(/ \S+/, ' /chunked')
            .replace('Host: x', 'Host: other')
            .replace(/X-Old: [^\n]*\n/i, '')
            .replace(/\r\n$/, 'X-New: 1\r\n\r\n'),
          'latin1',
        ),
      response: (head) =>
        Buffer.from(
          textOf(head)
            .replace(/Trailer: [^\n]*\n/i, '')
            .replace(/\r\n$/, 'X-Added: 2\r\n\r\n'),
          'latin1',
        ),
    })
  return to(target.startsWith('/b') ? b : a)
}

before(async () => {
  a = await answering((request, body) => answer('a', request, body))
  b = await answering((request, body) => answer('b', request, body))
  relay = await slowPath(route)
})
after(async () => {
  await relay.close()
  a.close()
  b.close()
})

const get = (target: string, more = '') => `GET ${target} HTTP/1.1\r\nHost: x\r\n${more}\r\n`

/** Says it in these parts, each by itself, then ends; all that is heard until the other side ends. */
async function talk(...parts: string[]): Promise<{ text: string; end: string | undefined }> {
  const client = new Client(relay.port)
  for (const part of parts) {
    client.say(part)
    if (parts.length > 1) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  client.socket.end()
  const text = await client.untilEnd()
  client.close()
  return { text, end: client.end }
}

const LOCAL = 'Server: heddle\r\n'
const NOTHING = 'Content-Length: 0\r\n\r\n'
const MOVED = `HTTP/1.1 301 Moved Permanently\r\n${LOCAL}Location: http://b/new\r\n`
const ADDED = 'Content-Length: 0\r\nX-Added: 1\r\n\r\n'
const CLOSE = 'Connection: close\r\n'

test('every kind of response arrives as it was sent, and the connection goes on behind it', async () => {
  for (const [target, response] of Object.entries(RESPONSES)) {
    const { text, end } = await talk(get(target) + get('/after'))
    assert.equal(text, response + ok('a /after '), target)
    assert.equal(end, 'FIN')
  }
})

test('a HEAD has no body whatever its head says', async () => {
  const { text } = await talk(`HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n${get('/after')}`)
  assert.equal(text, `HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n${ok('a /after ')}`)
})

test('a request arrives byte for byte, extensions and trailers included, wherever it was cut', async () => {
  const sent =
    'POST /x HTTP/1.1\r\nhOsT:  x \r\nX-Odd:\t\x80\xff\r\nTransfer-Encoding: chunked\r\n\r\n2;e="f"\r\nhi\r\n0\r\nT: 1\r\n\r\n'
  for (let cut = 1; cut < sent.length; cut += 7) {
    const from = a.seen.map(({ text }) => text.length)
    const { text } = await talk(sent.slice(0, cut), sent.slice(cut))
    assert.equal(text, ok('a /x 2;e="f"\r\nhi\r\n0\r\nT: 1\r\n\r\n'))
    const arrived = a.seen.map((seen, i) => seen.text.slice(from[i] ?? 0)).join('')
    assert.equal(arrived, sent)
  }
})

test('pipelined requests go each to its own endpoint, one after another, and are answered in order', async () => {
  const targets = ['/a1', '/b1', '/none', '/b2', '/a2', '/denied', '/a3']
  const { text } = await talk(targets.map((target) => get(target)).join(''))
  const owed = (target: string) => {
    if (target === '/none') return `HTTP/1.1 404 Not Found\r\n${LOCAL}${NOTHING}`
    if (target === '/denied') return `HTTP/1.1 403 Forbidden\r\n${LOCAL}${NOTHING}`
    return ok(`${target[1]} ${target} `)
  }
  assert.equal(text, targets.map(owed).join(''))
})

test('a route that answers is heard, its request’s body is left out, and the connection goes on', async () => {
  const body = 'Content-Length: 5\r\n'
  const moved = await talk(`${get('/moved', body)}hello${get('/after')}`)
  assert.equal(moved.text, `${MOVED}${ADDED}${ok('a /after ')}`)
  const last = await talk(get('/moved', 'Connection: close\r\n'))
  assert.equal(last.text, `${MOVED}Connection: close\r\n${ADDED}`)
})

test('a route that fails is answered with 500 and complained of', async () => {
  relay.complaints.length = 0
  const { text } = await talk(get('/throws') + get('/after'))
  assert.equal(text, `HTTP/1.1 500 Internal Server Error\r\n${LOCAL}${NOTHING}${ok('a /after ')}`)
  assert.equal(relay.complaints.length, 1)
})

test('what an answered request still may send is not waited for where it could not be told', async () => {
  const cases = [
    get('/none', 'Content-Length: 5\r\nExpect: 100-continue\r\n'),
    get('/none', 'Content-Length: 2000000\r\n'),
    get('/none', CLOSE),
    'GET /none HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
  ]
  for (const said of cases) {
    const client = new Client(relay.port)
    client.say(said)
    assert.equal(await client.untilEnd(), `HTTP/1.1 404 Not Found\r\n${LOCAL}${CLOSE}${NOTHING}`)
    assert.equal(client.end, 'FIN')
    client.close()
  }
})

test('edits change what they name, and every other byte stays', async () => {
  const from = a.seen.map(({ text }) => text.length)
  const { text } = await talk(get('/edited?q', 'X-OLD: 1\r\nX-Kept:  2 \r\n'))
  const arrived = a.seen.map((seen, i) => seen.text.slice(from[i] ?? 0)).join('')
  assert.equal(arrived, 'GET /chunked HTTP/1.1\r\nHost: other\r\nX-Kept:  2 \r\nX-New: 1\r\n\r\n')
  const plain = RESPONSES['/chunked'] as string
  assert.equal(text, plain.replace('Trailer: X\r\n', 'X-Added: 2\r\n'))
})

test('what is no canonical request is refused behind what is owed', async () => {
  const refused: [string, string][] = [
    [`GET /x HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(17_000)}\r\n\r\n`, '431 Request Header Fields Too Large'],
    ['GET /x HTTP/1.1\r\nHost : x\r\n\r\n', '400 Bad Request'],
    ['GET /x HTTP/1.1\nHost: x\n\n', '400 Bad Request'],
    ['GET /x HTTP/1.1\r\nHo', '400 Bad Request'],
    ['POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', '400 Bad Request'],
    ['POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhi', '400 Bad Request'],
  ]
  for (const [bytes, status] of refused) {
    const { text, end } = await talk(`${get('/a1')}${get('/none')}${bytes}`)
    const owed = `${ok('a /a1 ')}HTTP/1.1 404 Not Found\r\n${LOCAL}${NOTHING}`
    assert.equal(text, `${owed}HTTP/1.1 ${status}\r\n${LOCAL}${CLOSE}${NOTHING}`)
    assert.equal(end, 'FIN')
  }
})

test('TLS is reset without a word, HTTP/2 is told 400', async () => {
  assert.deepEqual(await talk('\x16\x03\x01\x00\x05\x01'), { text: '', end: 'RST' })
  const { text } = await talk('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  assert.equal(text, `HTTP/1.1 400 Bad Request\r\n${LOCAL}${CLOSE}${NOTHING}`)
})

test('one upstream serves one request after another; two identities never share one', async () => {
  await talk(get('/a0'))
  const before = relay.pool.counts.dialled
  await talk(get('/a1') + get('/a2') + get('/a3'))
  assert.equal(relay.pool.counts.dialled, before)
  const first = await relay.pool.take({ ...a.target, identity: 7 }, false)
  assert.equal(relay.pool.counts.dialled, before + 1)
  first.destroy()
})

test('requests are counted by what became of them, bytes by their way', async () => {
  const { requests, bytes } = structuredClone(relay.outbound.counts)
  await talk(get('/a1') + get('/none') + get('/denied'))
  await eventually(() => relay.outbound.counts.connections.open === 0)
  const now = relay.outbound.counts
  assert.equal(now.requests.forwarded, requests.forwarded + 1)
  assert.equal(now.requests.routedReply, requests.routedReply + 1)
  assert.equal(now.requests.denied, requests.denied + 1)
  assert.ok(now.bytes.fromClients - bytes.fromClients > 90)
  assert.ok(now.bytes.toClients - bytes.toClients > 90)
})
