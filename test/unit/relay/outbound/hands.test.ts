/** Whose a connection is: taken when bytes come, given back between two messages, and how all of it stops. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { after, test } from 'node:test'
import {
  answering,
  Client,
  endpoint,
  type Endpoint,
  eventually,
  ok,
  type SlowPath,
  slowPath,
  targetOf,
  to,
} from './slow-path.ts'

const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`
const LATE = get('/late')
const UNAVAILABLE =
  'HTTP/1.1 503 Service Unavailable\r\nServer: heddle\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

const closing: (() => unknown)[] = []
after(async () => {
  for (const close of closing.reverse()) await close()
})

/** The endpoint answers at once, `/late` when it is told to, `/half` with part of a body. */
async function set(): Promise<{ relay: SlowPath; server: Endpoint; client(): Client; late(): void }> {
  const server = await answering((request) => {
    const target = targetOf(request)
    if (target === '/half') return 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'
    return target === '/late' ? undefined : ok(target)
  })
  const relay = await slowPath(() => to(server))
  closing.push(() => server.close(), relay.close)
  const client = () => {
    const one = new Client(relay.port)
    closing.push(() => one.close())
    return one
  }
  const late = () => {
    for (const { socket } of server.seen) socket.write(ok('/late'))
  }
  return { relay, server, client, late }
}

/** A response that says that it is the last. */
const last = (body: string) => ok(body).replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')
const soon = () => new Promise((resolve) => setTimeout(resolve, 20))

test('offers tell all bytes read and written, at message boundaries only, and are taken back first', async () => {
  const { relay, client, late } = await set()
  const one = client()
  const [a, b] = [get('/a'), get('/b')]
  one.say(a + b)
  await one.until('/b')
  await eventually(() => relay.turns.length === 2)
  const written = ok('/a').length + ok('/b').length
  const read = a.length + b.length
  assert.deepEqual(relay.turns, ['take', `offer ${read} ${written}`])
  one.say(LATE)
  await eventually(() => relay.turns.length === 3)
  assert.deepEqual(relay.turns.slice(2), ['take'])
  one.say('GET /c HT')
  late()
  await one.until('/late')
  await soon()
  assert.equal(relay.turns.length, 3, 'part of a head is no boundary')
  one.say('TP/1.1\r\nHost: x\r\n\r\n')
  await one.until('/c')
  await eventually(() => relay.turns.length === 4)
  const all = read + LATE.length + get('/c').length
  assert.equal(relay.turns[3], `offer ${all} ${one.text.length}`)
})

test('an offer counts a local reply and a body that was left out', async () => {
  const { relay, client, server } = await set()
  const denying = await slowPath(() => ({ kind: 'deny' }))
  closing.push(denying.close)
  const one = new Client(denying.port)
  closing.push(() => one.close())
  const said = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
  one.say(said)
  await one.until('\r\n\r\n')
  await eventually(() => denying.turns.length === 2)
  assert.deepEqual(denying.turns, ['take', `offer ${said.length} ${one.text.length}`])
  assert.deepEqual([relay.turns, server.seen.length, client().text], [[], 0, ''])
})

test('nothing is served before the kernel is done, and nothing that came meanwhile is lost', async () => {
  const { relay, server, client } = await set()
  let done = () => {}
  relay.kernel.begin = () =>
    new Promise((resolve) => {
      done = resolve
    })
  const one = client()
  one.say(get('/a'))
  await eventually(() => relay.turns.length === 1)
  one.say(get('/b'))
  await soon()
  assert.equal(server.seen.length, 0)
  done()
  assert.equal(await one.until('/b'), ok('/a') + ok('/b'))
})

test('a client that ends while the kernel answers it is ended after that', async () => {
  const { relay, client } = await set()
  let done = () => {}
  const one = client()
  one.say(get('/a'))
  await eventually(() => relay.turns.length === 2)
  relay.kernel.begin = () =>
    new Promise((resolve) => {
      done = resolve
    })
  one.socket.end()
  await eventually(() => relay.turns.length === 3)
  await soon()
  assert.equal(one.end, undefined)
  done()
  await one.untilEnd()
  assert.equal(one.end, 'FIN')
  assert.deepEqual(relay.turns.slice(2), ['take'])
})

test('a turn that can’t be had is a reset', async () => {
  const { relay, client } = await set()
  relay.kernel.begin = () => Promise.reject(new Error('map gone'))
  const one = client()
  one.say(get('/a'))
  await one.untilEnd()
  assert.equal(one.end, 'RST')
  assert.equal(relay.complaints.length, 1)
})

test('a client that ended its half hears all its responses', async () => {
  const { client, server, late } = await set()
  const one = client()
  one.socket.end(LATE + get('/a'))
  await eventually(() => server.seen.length === 1)
  await soon()
  late()
  assert.equal(await one.untilEnd(), ok('/late') + ok('/a'))
  assert.equal(one.end, 'FIN')
})

test('draining finishes what is under way, says with the next response that it is the last, and ends what is idle', async () => {
  const { relay, client, server, late } = await set()
  const [idle, busy, queued] = [client(), client(), client()]
  idle.say(get('/a'))
  await idle.until('/a')
  busy.say(LATE)
  queued.say(LATE + get('/b'))
  await eventually(() => server.seen.filter(({ text }) => text.endsWith(LATE)).length === 2)
  const drained = relay.outbound.drain(5_000)
  const born = client()
  born.say(get('/c'))
  assert.equal(await born.untilEnd(), last('/c'))
  late()
  assert.equal(await queued.untilEnd(), ok('/late') + last('/b'))
  busy.say(get('/d'))
  assert.equal(await busy.untilEnd(), ok('/late') + last('/d'))
  assert.equal(idle.end, undefined)
  await idle.untilEnd()
  assert.equal(idle.end, 'FIN')
  for (const one of [idle, busy, queued, born]) one.socket.end()
  await drained
  assert.equal(relay.outbound.counts.connections.open, 0)
})

test('at the deadline what has no answer gets 503, what has half of one is reset, none hangs', async () => {
  const { relay, client } = await set()
  relay.kernel.begin = () => Promise.resolve()
  const [silent, half, partial] = [client(), client(), client()]
  silent.say(LATE)
  half.say(get('/half'))
  partial.say('GET /a HT')
  await half.until('half')
  await eventually(() => relay.turns.length === 3)
  const drained = relay.outbound.drain(30)
  assert.equal(await silent.untilEnd(), UNAVAILABLE)
  await half.untilEnd()
  await partial.untilEnd()
  assert.deepEqual([silent.end, half.end, partial.end], ['FIN', 'RST', 'RST'])
  await drained
  assert.equal(relay.outbound.counts.connections.open, 0)
})

test('a response that its client has not taken is no boundary, and no timeout’s business', async () => {
  const { relay, server } = await set()
  let taken: (() => void) | undefined
  const client = new Duplex({
    highWaterMark: 1,
    read() {},
    write: (_bytes, _encoding, done) => {
      taken = done
    },
  })
  const offers: number[] = []
  const turn = {
    take: () => ({ done: Promise.resolve(), rest: undefined }),
    offer: (_read: number, written: number) => offers.push(written),
  }
  const router = { route: () => to(server, { requestTimeout: 40, backendTimeout: 40 }) }
  relay.outbound.take(client as Socket, { turn, router })
  client.push(get('/a'))
  await eventually(() => taken !== undefined)
  await new Promise((resolve) => setTimeout(resolve, 80))
  assert.deepEqual([offers, client.destroyed], [[], false])
  taken?.()
  await eventually(() => offers.length === 1)
  assert.deepEqual(offers, [ok('/a').length])
  client.destroy()
})

test('a body that nobody can find the rest of is broken off, and no request is looked for in it', async () => {
  const { relay, server } = await set()
  const client = new Duplex({ read() {}, write: (_bytes, _encoding, done) => done() })
  const turn = { take: () => ({ done: Promise.resolve(), rest: 'lost' as const }), offer: () => {} }
  relay.outbound.take(client as Socket, { turn, router: { route: () => to(server) } })
  client.push(get('/a'))
  await eventually(() => client.destroyed)
  await soon()
  assert.deepEqual([server.seen.length, relay.complaints, relay.outbound.counts.requests.broken], [0, [], 1])
})

test('what nobody reads holds up no end: a reset does not wait for it', async () => {
  const server = await endpoint((seen) => {
    seen.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n')
    seen.socket.write(Buffer.alloc(90_000_000))
  })
  const relay = await slowPath(() => to(server))
  closing.push(() => server.close(), relay.close)
  const one = new Client(relay.port)
  closing.push(() => one.close())
  one.socket.pause()
  one.say(get('/'))
  await eventually(() => (server.seen[0]?.socket.bytesWritten ?? 0) > 0)
  await soon()
  await relay.outbound.drain(1)
  assert.equal(relay.outbound.counts.connections.open, 0)
})

test('an end that is on its way can still be broken off', async () => {
  for (let round = 0; round < 20; round++) {
    const { relay, client } = await set()
    const one = client()
    one.say('no request\r\n\r\n')
    await one.untilEnd()
    await relay.outbound.drain(0)
    assert.equal(relay.outbound.counts.connections.open, 0)
  }
})
