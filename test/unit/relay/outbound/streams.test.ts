/** What is no plain request and response: HTTP/1.0, other protocols behind 101, and more bytes than fit. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { after, test } from 'node:test'
import { Client, type Endpoint, endpoint, eventually, type Seen, slowPath, to } from './slow-path.ts'

const closing: (() => unknown)[] = []
after(async () => {
  for (const close of closing.reverse()) await close()
})

async function set(on: (seen: Seen, bytes: string) => void) {
  const server: Endpoint = await endpoint(on)
  const relay = await slowPath(() => to(server))
  const one = new Client(relay.port)
  closing.push(
    () => server.close(),
    relay.close,
    () => one.close(),
  )
  return { server, relay, one }
}

const KEPT = 'GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n'
const CLOSED = 'GET / HTTP/1.0\r\n\r\n'
/** Request, response, and whether both connections go on. */
const VERSIONS: [string, string, boolean][] = [
  [KEPT, 'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok', true],
  [KEPT, 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok', true],
  [KEPT, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', false],
  [KEPT, 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', false],
  [KEPT, 'HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 2\r\n\r\nok', false],
  [CLOSED, 'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok', false],
  ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', false],
  [
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok',
    false,
  ],
  [
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    false,
  ],
]
test('a connection goes on where client and endpoint both say so', async () => {
  for (const [request, response, goesOn] of VERSIONS) {
    const { server, one } = await set((seen, bytes) => {
      if (bytes.includes('\r\n\r\n')) seen.socket.write(response)
    })
    one.say(request)
    await one.until('ok')
    one.say(request)
    if (goesOn) {
      await eventually(() => one.text === response + response)
      assert.deepEqual([server.seen.length, one.end], [1, undefined])
    } else {
      assert.equal(await one.untilEnd(), response)
      assert.equal(one.end, 'FIN')
    }
  }
})

const UPGRADE = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n'

test('after 101 bytes pass both ways until both sides have ended', async () => {
  const { server, relay, one } = await set((seen, bytes) => {
    if (bytes === UPGRADE) seen.socket.write(`${SWITCHED}hello`)
    else seen.socket.write(bytes, 'latin1')
  })
  one.say(`${UPGRADE}early`)
  await one.until('helloearly')
  one.say('GET x HTTP/9.9\n\n\0\xff')
  await one.until('\0\xff')
  server.seen[0]?.socket.end()
  await one.untilEnd()
  one.say('last')
  await eventually(() => server.seen[0]?.text.endsWith('last') ?? false)
  one.socket.end()
  await eventually(() => relay.outbound.counts.connections.open === 0)
  assert.equal(one.text, `${SWITCHED}helloearlyGET x HTTP/9.9\n\n\0\xff`)
  assert.equal(one.end, 'FIN')
  assert.deepEqual(relay.turns, ['take'], 'a tunnel is nobody else’s')
  assert.equal(relay.outbound.counts.requests.tunnelled, 1)
})

test('a reset within a tunnel is a reset on its other side', async () => {
  const { server, one } = await set((seen) => seen.socket.write(SWITCHED))
  one.say(UPGRADE)
  await one.until('\r\n\r\n')
  server.seen[0]?.socket.resetAndDestroy()
  await one.untilEnd()
  assert.equal(one.end, 'RST')
  const other = await set((seen) => seen.socket.write(SWITCHED))
  other.one.say(UPGRADE)
  await other.one.until('\r\n\r\n')
  other.one.socket.resetAndDestroy()
  await eventually(() => other.server.seen[0]?.socket.destroyed ?? false)
})

test('an upgrade that is not taken up is a request like any other', async () => {
  const { one } = await set((seen) => seen.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  one.say(UPGRADE)
  await one.until('ok')
  one.text = ''
  one.say(UPGRADE)
  await one.until('ok')
})

const BIG = 24 * 1024 * 1024
/** Bytes that may be under way to who does not read: buffers of four sockets, and less than 1 MB of the relay's. */
const UNDER_WAY = BIG

/** All that a socket says behind a head's empty line, as a digest, and how much it was. */
function digestOf(socket: Socket) {
  const hash = createHash('sha256')
  const got = { bytes: 0, digest: () => hash.digest('hex') }
  let head = ''
  socket.removeAllListeners('data')
  socket.on('data', (bytes: Buffer) => {
    let body = bytes
    if (!head.endsWith('\r\n\r\n')) {
      const end = bytes.indexOf('\r\n\r\n') + '\r\n\r\n'.length
      head += bytes.toString('latin1', 0, end)
      body = bytes.subarray(end)
    }
    hash.update(body)
    got.bytes += body.length
  })
  return got
}

const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const BODY = randomBytes(2.5 * BIG)

test('an endpoint whose client does not read is stopped, and all is there when it reads on', async () => {
  let poured = { bytes: 0 }
  const { one } = await set((seen) => {
    seen.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BODY.length}\r\n\r\n`)
    poured = pour(seen.socket, BODY)
  })
  one.socket.pause()
  one.say('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await eventually(() => poured.bytes > 0)
  await stalls(poured)
  assert.ok(poured.bytes < UNDER_WAY, `${poured.bytes} bytes are under way`)
  const got = digestOf(one.socket)
  one.socket.resume()
  await eventually(() => got.bytes >= BODY.length)
  assert.equal(got.digest(), sha(BODY))
})

test('a tunnel is read only as fast as its other side takes', async () => {
  const tunnel: { up?: Socket } = {}
  const { one } = await set((seen) => {
    if (!tunnel.up) seen.socket.write(SWITCHED)
    tunnel.up = seen.socket
  })
  one.say(UPGRADE)
  await one.until('\r\n\r\n')
  const up = tunnel.up as Socket
  one.socket.pause()
  const down = pour(up, BODY)
  up.pause()
  const rising = pour(one.socket, BODY)
  await stalls(down)
  await stalls(rising)
  assert.ok(down.bytes < UNDER_WAY, `${down.bytes} bytes are under way`)
  assert.ok(rising.bytes < UNDER_WAY, `${rising.bytes} bytes are under way`)
})

test('a client whose endpoint does not read is stopped, and all arrives when it reads on', async () => {
  const { server, one } = await set((seen) => {
    if (seen.text.endsWith('\r\n\r\n')) seen.socket.pause()
  })
  one.say(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${BODY.length}\r\n\r\n`)
  await eventually(() => server.seen[0]?.text.endsWith('\r\n\r\n') ?? false)
  const seen = (server.seen[0] as Seen).socket
  const hash = createHash('sha256')
  let arrived = 0
  const poured = pour(one.socket, BODY)
  await stalls(poured)
  assert.ok(poured.bytes < UNDER_WAY, `${poured.bytes} bytes are under way`)
  seen.removeAllListeners('data')
  seen.on('data', (bytes: Buffer) => {
    hash.update(bytes)
    arrived += bytes.length
  })
  seen.resume()
  await eventually(() => arrived === BODY.length)
  assert.equal(hash.digest('hex'), sha(BODY))
})

test('requests that are pipelined without end are read no further than a bound', async () => {
  const { server, relay } = await set(() => {})
  const requests = Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(10_000)}\r\n\r\n`.repeat(3))
  let read = 0
  const client = new Duplex({
    highWaterMark: 1,
    read() {
      read += requests.length
      this.push(read < BIG ? requests : null)
    },
    write: (_bytes, _encoding, done) => done(),
  })
  const turn = { take: () => ({ done: Promise.resolve(), rest: undefined }), offer: () => {} }
  relay.outbound.take(client as Socket, { turn, router: { route: () => to(server) } })
  await eventually(() => server.seen.length === 1)
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.ok(read < 4 * 65_536, `${read} bytes were read`)
  client.destroy()
})

/** Writes piece by piece, each when the kernel has the one before; says how many bytes it has. */
function pour(socket: Socket, all: Buffer): { bytes: number } {
  const poured = { bytes: 0 }
  const next = () => {
    if (poured.bytes >= all.length) return
    socket.write(all.subarray(poured.bytes, poured.bytes + 65_536), (error) => {
      if (error) return
      poured.bytes += 65_536
      next()
    })
  }
  next()
  return poured
}

/** Resolves when nothing more is poured for a while. */
async function stalls(poured: { bytes: number }): Promise<void> {
  for (let last = -1; last !== poured.bytes; ) {
    last = poured.bytes
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}
