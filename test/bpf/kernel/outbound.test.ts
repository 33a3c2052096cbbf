/** The client side on one node: each request of a connection goes its own way, through the real kernel. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { whyNoKernel } from './kernel-fixture.ts'
import { responses } from './outbound-connection.ts'
import type { Route } from '../../../pipelines/policy/route.ts'
import { EMPTY, FRONT, FRONT_ROUTE, OutboundFixture } from './outbound-fixture.ts'

const skip = whyNoKernel()

const bodies = (text: string) =>
  [...text.matchAll(/\r\n\r\n([ab] \d+ [A-Z]+ \S+ \S+)/g)].map((found) => found[1])
const get = (target: string, more = '') => `GET ${target} HTTP/1.1\r\nHost: front\r\n${more}\r\n`

describe('outbound', { skip, concurrency: false }, () => {
  let node: OutboundFixture
  before(async () => {
    node = await OutboundFixture.create()
  })
  after(() => node.close())

  it('shows the client the address that it asked for', async () => {
    const client = await node.open()
    assert.equal(client.peer, `${FRONT.host} ${FRONT.port}`)
  })

  it('each request of a kept-alive connection goes where its own path leads, without the relay', async () => {
    const client = await node.openWarm()
    const before = node.ways()
    for (let i = 0; i < 20; i++) {
      const name = i % 3 ? 'a' : 'b'
      const text = await client.get(`/${name}/plain?n=${i}`)
      assert.match(
        text,
        new RegExp(
          `^HTTP/1.1 200 OK\r\nContent-Length: \\d+\r\n\r\n${name} \\d+ GET /${name}/plain\\?n=${i} 0:0 $`,
        ),
      )
    }
    const ways = node.ways()
    assert.equal(ways.KERNEL_ROUTED - before.KERNEL_ROUTED, 20)
    assert.deepEqual({ ...ways, KERNEL_ROUTED: 0 }, { ...before, KERNEL_ROUTED: 0 })
  })

  it('answers pipelined requests in their order, whichever servers they went to', async () => {
    const client = await node.openWarm()
    const targets = Array.from({ length: 40 }, (_, i) => `/${i % 2 ? 'a' : 'b'}/plain?n=${i}`)
    client.send(targets.map((target) => get(target)).join(''))
    await client.until(() => responses(client.text) === targets.length)
    assert.deepEqual(
      bodies(client.text).map((body) => body?.split(' ')[3]),
      targets,
    )
  })

  it('reads a head that arrives byte by byte', async () => {
    const client = await node.openWarm()
    const before = node.ways().KERNEL_ROUTED
    for (const byte of get('/b/plain', 'X-Long: 0123456789\r\n')) client.send(byte)
    await client.until(() => responses(client.text) === 1)
    assert.match(client.text, /b \d+ GET \/b\/plain 0:0 x-long=0123456789$/i)
    assert.equal(node.ways().KERNEL_ROUTED, before + 1)
  })

  for (const [what, body, framing] of [
    ['a body of known length', 'x'.repeat(5000), 'Content-Length: 5000\r\n'],
    [
      'a chunked body with extension and trailer',
      `5;e="q"\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n`,
      'Transfer-Encoding: chunked\r\n',
    ],
  ] as const)
    for (const cut of [1, 7, 1000, 100_000])
      it(`${what}, sent ${cut} bytes at a time, reaches its server whole, and the next request another`, async () => {
        const client = await node.openWarm()
        const message = `POST /a/plain HTTP/1.1\r\nHost: front\r\n${framing}\r\n${body}`
        const step = cut === 1 && body.length > 1000 ? 50 : cut
        for (let at = 0; at < message.length; at += step) client.send(message.slice(at, at + step))
        await client.until(() => responses(client.text) === 1)
        assert.match(client.text, new RegExp(`a \\d+ POST /a/plain ${body.length}:\\d+ $`))
        assert.match(await client.get('/b/plain'), /b \d+ GET \/b\/plain/)
      })

  it('follows HEAD, 204, 304, interim responses and chunked ones to their ends', async () => {
    const client = await node.openWarm()
    const before = node.ways()
    client.send('HEAD /a/plain HTTP/1.1\r\nHost: front\r\n\r\n')
    await client.until(() => client.text.endsWith('\r\n\r\n'))
    for (const manner of ['204', '304']) {
      client.forget()
      client.send(get(`/b/${manner}`))
      await client.until(() => client.text.endsWith('\r\n\r\n'))
      assert.match(client.text, new RegExp(`^HTTP/1.1 ${manner} `))
    }
    client.forget()
    client.send(get('/a/interim'))
    await client.until(() => responses(client.text) === 2)
    assert.match(client.text, /^HTTP\/1\.1 103 [\s\S]*HTTP\/1\.1 200 /)
    client.forget()
    client.send(get('/b/chunked'))
    await client.until(() => client.text.endsWith('\r\n0\r\nX-Trailer: t\r\n\r\n'))
    assert.match(await client.get('/a/pieces'), /a \d+ GET \/a\/pieces/)
    assert.equal(node.ways().KERNEL_ROUTED - before.KERNEL_ROUTED, 6)
  })

  it('ends with its server where that closes, after all that it said', async () => {
    for (const manner of ['close', 'eof']) {
      const client = await node.openWarm()
      client.send(get(`/a/${manner}`))
      await client.until(() => client.end === 'FIN')
      assert.match(client.text, new RegExp(`a \\d+ GET /a/${manner} 0:0 $`))
    }
  })

  it('says 503 where the server dies before a response, and breaks off within one', async () => {
    const dead = await node.openWarm()
    dead.send(get('/a/die'))
    await dead.until(() => dead.end === 'FIN')
    assert.match(dead.text, /^HTTP\/1\.1 503 /)
    const half = await node.openWarm()
    half.send(get('/a/half'))
    await half.until(() => half.closed)
    assert.equal(half.failure, 'ECONNRESET')
  })

  it('answers what no route takes with 404, and a service without endpoints with 503', async () => {
    const client = await node.openWarm()
    assert.match(await client.get('/nowhere'), /^HTTP\/1\.1 404 /)
    assert.match(await client.get('/empty/x'), /^HTTP\/1\.1 503 /)
    assert.match(await client.get('/a/plain'), /a \d+ GET/)
    const empty = await node.open(EMPTY)
    assert.match(await empty.get('/'), /^HTTP\/1\.1 503 /)
  })

  it('comes back to the kernel when the relay has answered', async () => {
    const client = await node.openWarm()
    assert.match(await client.get('/nowhere'), /404/)
    // The relay offers it when it has seen its answer leave; a quick client may be earlier.
    await node.until(async () => {
      const before = node.ways().KERNEL_ROUTED
      await client.get('/a/plain')
      await client.get('/b/plain')
      return node.ways().KERNEL_ROUTED === before + 2
    })
  })

  it('flips between two requests of a connection, and a body that has begun ends where it began', async () => {
    const client = await node.openWarm()
    client.send('POST /a/plain HTTP/1.1\r\nHost: front\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel')
    await node.enforce(2, [], [swapped(FRONT_ROUTE)])
    assert.deepEqual([...(await node.node.kernel.busySlots())], [1])
    client.send('lo\r\n0\r\n\r\n')
    await client.until(() => responses(client.text) === 1)
    assert.match(client.text, /a \d+ POST \/a\/plain 15:/)
    assert.match(await client.get('/a/plain'), /b \d+ GET \/a\/plain/)
    await node.enforce(3, [])
    assert.match(await client.get('/a/plain'), /a \d+ GET \/a\/plain/)
    assert.deepEqual([...(await node.node.kernel.busySlots())], [])
  })

  for (const manner of ['big', 'bigchunks', 'bigeof'])
    it(`a reader that stalls gets all of a large response (${manner}) when it goes on, and is not run over before`, async () => {
      const client = await node.openWarm()
      const before = node.ways().SLOW_UNREAD
      client.command('sum')
      client.command('pause')
      client.send(get(`/a/${manner}-${LARGE}`))
      await node.until(async () => node.ways().SLOW_UNREAD > before)
      client.command('resume')
      const length = lengthOf(manner)
      await client.until(() => client.total.bytes >= length)
      assert.deepEqual(client.total, { bytes: length, sum: sumOf(manner) })
      if (manner === 'bigeof') await client.until(() => client.end === 'FIN')
    })

  it('a server that stalls gets all of a large body when it goes on', async () => {
    const client = await node.openWarm()
    const before = node.ways().SLOW_UNREAD
    const body = PATTERN.repeat(80_000)
    client.send(`POST /a/stall HTTP/1.1\r\nHost: front\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    await client.until(() => responses(client.text) === 1)
    assert.match(client.text, new RegExp(`a \\d+ POST /a/stall ${body.length}:${sum(Buffer.from(body))} $`))
    assert.ok(node.ways().SLOW_UNREAD > before)
    assert.match(await client.get('/b/plain'), /b \d+ GET/)
  })
})

const LARGE = 24_000_000
const CHUNK = 100_000
const PATTERN = Array.from({ length: 251 }, (_, i) => String.fromCharCode(33 + (i % 90))).join('')

/** What outbound-server.ts says, head and all. */
function largeResponse(manner: string): Buffer[] {
  const bytes = Buffer.alloc(LARGE, PATTERN)
  if (manner === 'big') return [Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`), bytes]
  if (manner === 'bigeof') return [Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), bytes]
  const parts = [Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')]
  for (let at = 0; at < LARGE; at += CHUNK)
    parts.push(Buffer.from(`${CHUNK.toString(16)}\r\n`), bytes.subarray(at, at + CHUNK), Buffer.from('\r\n'))
  return [...parts, Buffer.from('0\r\n\r\n')]
}

const lengthOf = (manner: string) => largeResponse(manner).reduce((length, part) => length + part.length, 0)
const sumOf = (manner: string) => sum(...largeResponse(manner))

function sum(...parts: Buffer[]): number {
  let total = 0
  for (const part of parts) for (const byte of part) total = (total * 31 + byte) % 1_000_000_007
  return total
}

/** The same route with its two backends in each other's place. */
function swapped(route: Route): Route {
  const backends = route.rules.map((rule) => rule.backends)
  const rules = route.rules.map((rule, i) => ({ ...rule, backends: backends[i < 2 ? 1 - i : i] ?? [] }))
  return { ...route, rules }
}
