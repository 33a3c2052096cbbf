/** Endpoints that break, lie, hesitate or answer early: what the client is told, and what is tried again. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { after, test } from 'node:test'
import type { Outcome } from '../../../../agent/relay/outbound/ports.ts'
import { Client, type Endpoint, endpoint, eventually, ok, type Seen, slowPath, to } from './slow-path.ts'

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello'
const PUT = POST.replace('POST', 'PUT')
const EXPECT = 'PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n'

const local = (status: string, close = false) =>
  `HTTP/1.1 ${status}\r\nServer: heddle\r\n${close ? 'Connection: close\r\n' : ''}Content-Length: 0\r\n\r\n`
const UNAVAILABLE = local('503 Service Unavailable')
const BAD_GATEWAY = local('502 Bad Gateway')
const TIMED_OUT = local('504 Gateway Timeout')

const closing: (() => unknown)[] = []
after(async () => {
  for (const close of closing.reverse()) await close()
})

/** A slow path in front of one endpoint, and a client that has said `said`. */
async function set(
  on: (seen: Seen, bytes: string, number: number) => void,
  route: (endpoint: Endpoint) => Outcome = to,
) {
  const server: Endpoint = await endpoint((seen, bytes) => on(seen, bytes, server.seen.indexOf(seen) + 1))
  const relay = await slowPath(() => route(server))
  closing.push(() => server.close(), relay.close)
  const client = (said: string) => {
    const one = new Client(relay.port)
    closing.push(() => one.close())
    one.say(said)
    return one
  }
  return { server, relay, client }
}

/** A pooled connection that closes under the next request. */
const closesUnderSecond = (seen: Seen, _bytes: string, number: number) => {
  const again = seen.text.split(' HTTP/1.1').length > 2
  if (number === 1 && again) seen.socket.end()
  else if (seen.text.endsWith('\r\n\r\n') || seen.text.endsWith('hello')) seen.socket.write(ok('fine'))
}

const REPEATED: [string, string, boolean][] = [
  ['GET', GET, true],
  ['an empty PUT', 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n', true],
  ['a PUT whose body has not been sent', EXPECT, true],
  ['a PUT whose body has been sent', PUT, false],
  ['POST', POST, false],
  ['an empty POST', 'POST / HTTP/1.1\r\nHost: x\r\n\r\n', false],
]
for (const [name, said, repeated] of REPEATED)
  test(`${name} is ${repeated ? 'sent once more' : 'answered with 503'} when its upstream closes before it answers`, async () => {
    const { server, relay, client } = await set(closesUnderSecond)
    const one = client(GET)
    await one.until('fine')
    one.text = ''
    one.say(said)
    assert.equal(await one.until(repeated ? 'fine' : '\r\n\r\n'), repeated ? ok('fine') : UNAVAILABLE)
    assert.equal(server.seen.length, repeated ? 2 : 1)
    assert.equal(relay.outbound.counts.retries, repeated ? 1 : 0)
    if (said === EXPECT) return
    one.text = ''
    one.say(GET)
    assert.equal(await one.until('fine'), ok('fine'))
  })

test('an endpoint that closes always is tried three times, then it is 503', async () => {
  const { server, relay, client } = await set((seen) => seen.socket.resetAndDestroy())
  assert.equal(await client(GET).until('\r\n\r\n'), UNAVAILABLE)
  assert.equal(server.seen.length, 3)
  assert.equal(relay.outbound.counts.requests.unavailable, 1)
})

test('where nobody listens it is 503; where another endpoint does, it has the request', async () => {
  const unused = createServer().listen(0, '127.0.0.1')
  await once(unused, 'listening')
  const { port } = unused.address() as AddressInfo
  await new Promise((closed) => unused.close(closed))
  const dead = { address: '127.0.0.1', port, identity: 1 }
  const alone = await set(
    () => {},
    (server) => to(server, { targets: [dead] }),
  )
  assert.equal(await alone.client(POST).until('\r\n\r\n'), UNAVAILABLE)
  const both = await set(
    (seen) => seen.socket.write(ok('fine')),
    (server) => to(server, { targets: [dead, server.target] }),
  )
  assert.equal(await both.client(POST).until('fine'), ok('fine'))
})

const BROKEN: [string, string][] = [
  ['a body of a length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
]
for (const [name, part] of BROKEN)
  for (const how of ['FIN', 'RST'] as const)
    test(`a ${how} within ${name} resets the client: it never looks whole`, async () => {
      const { server, relay, client } = await set((seen) => seen.socket.write(part))
      const one = client(GET)
      await one.until('hello')
      for (const { socket } of server.seen) how === 'FIN' ? socket.end() : socket.resetAndDestroy()
      await one.untilEnd()
      assert.equal(one.end, 'RST')
      assert.equal(relay.outbound.counts.requests.broken, 1)
    })

test('a response that ends with its connection is whole at FIN, broken at RST', async () => {
  for (const how of ['FIN', 'RST'] as const) {
    const { server, client } = await set((seen) => seen.socket.write('HTTP/1.1 200 OK\r\n\r\nhello'))
    const one = client(GET + GET)
    await one.until('hello')
    for (const { socket } of server.seen) how === 'FIN' ? socket.end() : socket.resetAndDestroy()
    assert.equal(await one.untilEnd(), 'HTTP/1.1 200 OK\r\n\r\nhello')
    assert.equal(one.end, how)
    assert.equal(server.seen.length, 1)
  }
})

const LIES = [
  'HTTP/2 200 OK\r\n\r\n',
  'ICY 200 OK\r\n\r\n',
  'HTTP/1.1 200 OK\n\n',
  'HTTP/1.1 200 OK\r\nA : b\r\n\r\n',
  'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx',
  'HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx',
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n',
  'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(70_000)}\r\n\r\n`,
]
test('what is no response, or says more than one thing, is 502', async () => {
  for (const lie of LIES) {
    const { relay, client } = await set((seen) => seen.socket.write(lie, 'latin1'))
    const one = client(GET)
    assert.equal(await one.until('\r\n\r\n'), BAD_GATEWAY, JSON.stringify(lie.slice(0, 90)))
    assert.equal(relay.outbound.counts.requests.badGateway, 1)
    assert.equal(relay.pool.waiting, 0)
  }
})

test('a head that breaks off is 502, whoever asked', async () => {
  const { server, client } = await set((seen) => seen.socket.end('HTTP/1.1 200 OK\r\nContent-'))
  assert.equal(await client(GET).until('\r\n\r\n'), BAD_GATEWAY)
  assert.equal(server.seen.length, 1)
})

test('a server that switches before it has the request is not believed', async () => {
  const { client } = await set((seen) =>
    seen.socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'),
  )
  const one = client(POST.replace('hello', 'he').replace('Host', 'Upgrade: x\r\nHost'))
  assert.equal(await one.until('\r\n\r\n'), BAD_GATEWAY)
})

test('bytes behind a response are nobody’s: its connection carries no other request', async () => {
  const { server, client } = await set((seen) => seen.socket.write(`${ok('fine')}HTTP/1.1 200 OK\r\n`))
  const one = client(GET)
  assert.equal(await one.untilEnd(), ok('fine'))
  assert.equal(server.seen.length, 1)
})

test('a timeout before the response is 504, within it a reset; behind it there is none', async () => {
  const timeouts: Partial<Extract<Outcome, { kind: 'forward' }>>[] = [
    { requestTimeout: 30 },
    { backendTimeout: 30 },
  ]
  for (const timeout of timeouts) {
    let said = ''
    const { relay, client } = await set(
      (seen) => seen.socket.write(said),
      (server) => to(server, timeout),
    )
    const silent = client(GET)
    assert.equal(await silent.until('\r\n\r\n'), TIMED_OUT)
    said = ok('fine')
    silent.text = ''
    silent.say(GET)
    await silent.until('fine')
    await new Promise((resolve) => setTimeout(resolve, 60))
    assert.equal(silent.end, undefined)
    said = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello'
    const half = client(GET)
    await half.untilEnd()
    assert.equal(half.end, 'RST')
    assert.equal(relay.outbound.counts.requests.timedOut, 1)
  }
})

test('an answer before the request is whole is passed on; the connection goes on once it is', async () => {
  let answered = false
  const { server, client } = await set((seen) => {
    if (!answered) seen.socket.write(ok('early'))
    else if (seen.text.endsWith('\r\n\r\n')) seen.socket.write(ok('later'))
    answered = true
  })
  const one = client('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello')
  await one.until('early')
  one.say(`world${GET}`)
  await one.until('later')
  assert.equal(server.seen.length, 1)
  assert.ok(server.seen[0]?.text.includes('helloworldGET'))
})

const GIVES_UP = 'HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig'
test('an endpoint that answers and closes under a large body is heard by its client', async () => {
  for (let round = 0; round < 10; round++) {
    const { client } = await set((seen) => {
      if (seen.text.length > 100_000 && !seen.socket.writableEnded) {
        seen.socket.end(GIVES_UP)
        seen.socket.destroySoon()
      }
    })
    const one = client(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n`)
    for (let part = 0; part < 60; part++) one.say('x'.repeat(100_000))
    assert.equal(await one.untilEnd(), GIVES_UP)
  }
})

test('a client that goes away takes its request with it', async () => {
  const { server, relay, client } = await set(() => {})
  const one = client(GET)
  await eventually(() => server.seen.length === 1 && server.seen[0]?.text === GET)
  one.socket.resetAndDestroy()
  await eventually(() => server.seen[0]?.socket.destroyed ?? false)
  await eventually(() => relay.outbound.counts.connections.open === 0)
  assert.equal(relay.outbound.counts.requests.abandoned, 1)
})

test('a bad chunk within a request: the endpoint never sees its end, the client is told 400', async () => {
  const { server, client } = await set(() => {})
  const one = client('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  await eventually(() => server.seen[0]?.text.includes('hello') ?? false)
  one.say('zz\r\n0\r\n\r\n')
  assert.equal(await one.untilEnd(), local('400 Bad Request', true))
  assert.ok(!server.seen[0]?.text.includes('zz'))
})
