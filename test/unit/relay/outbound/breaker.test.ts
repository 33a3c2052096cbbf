/** What the breaker of a service is told of each request that it let through, and what its clients hear. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { breakerReply, localReply } from '../../../../agent/relay/outbound/local-reply.ts'
import type { Admitted } from '../../../../agent/relay/outbound/ports.ts'
import { Client, endpoint, eventually, ok, type Seen, slowPath, to } from './slow-path.ts'

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
const answer = (status: number) => `HTTP/1.1 ${status} It\r\nContent-Length: 0\r\n\r\n`

const closing: (() => unknown)[] = []
after(async () => {
  for (const close of closing.reverse()) await close()
})

/** Notes what it is told first: nothing else is heard. */
class Notes implements Admitted {
  readonly said: (string | number)[] = []
  waiting = 0
  most = 1
  over(came: number | 'error'): void {
    this.note(came)
  }
  untold(): void {
    this.note('untold')
  }
  pending(): void {
    this.note('pending')
  }
  private note(end: string | number): void {
    if (this.said.length === 0) this.said.push(end)
  }
  wait(): (() => void) | undefined {
    if (this.waiting >= this.most) return undefined
    this.waiting++
    return () => {
      this.waiting--
    }
  }
}

async function asked(on: (seen: Seen) => void, more: Parameters<typeof to>[1] = {}, notes = new Notes()) {
  const server = await endpoint((seen, bytes) => {
    if (bytes.includes('HTTP/1.1')) on(seen)
  })
  const relay = await slowPath(() => to(server, { ...more, admitted: notes }))
  closing.push(() => server.close(), relay.close)
  const client = new Client(relay.port)
  closing.push(() => client.close())
  client.say(GET)
  return { client, notes, relay, server }
}

const retry = { codes: [503], attempts: 2, backoff: 1 }
const ENDS: [string, (seen: Seen) => void, Parameters<typeof to>[1], string | number][] = [
  ['a response', ({ socket }) => socket.write(ok('fine')), {}, 200],
  ['a 500', ({ socket }) => socket.write(answer(500)), {}, 500],
  ['a connection that breaks off', ({ socket }) => socket.resetAndDestroy(), {}, 'error'],
  ['what is no HTTP', ({ socket }) => socket.write('no\r\n\r\n'), {}, 'error'],
  ['a timeout', () => {}, { requestTimeout: 20 }, 'error'],
  [
    'half of a response',
    ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
      setTimeout(() => socket.resetAndDestroy(), 20)
    },
    {},
    'error',
  ],
  [
    'a retry, by its last try alone',
    (() => {
      let number = 0
      return ({ socket }: Seen) => socket.write(number++ === 0 ? answer(503) : ok('fine'))
    })(),
    { retry },
    200,
  ],
]
for (const [what, on, more, expected] of ENDS)
  test(`is told of ${what}`, async () => {
    const { notes, client } = await asked(on, more)
    await eventually(() => notes.said.length > 0)
    assert.equal(notes.said[0], expected)
    client.close()
    await eventually(() => notes.waiting === 0)
    assert.deepEqual(notes.said, [expected])
  })

test('a client that goes says nothing of the service', async () => {
  const { client, notes, server } = await asked(() => {})
  await eventually(() => server.seen[0]?.text.endsWith('\r\n\r\n') === true)
  client.socket.resetAndDestroy()
  await eventually(() => notes.said.length > 0)
  assert.equal(notes.said[0], 'untold')
})

test('a relay that stops says nothing of the service', async () => {
  const { client, notes, relay, server } = await asked(() => {})
  await eventually(() => server.seen[0]?.text.endsWith('\r\n\r\n') === true)
  await relay.outbound.drain(10)
  await client.until('\r\n\r\n')
  assert.equal(notes.said[0], 'untold')
})

test('who would have to wait among too many is told so, and the connection goes on', async () => {
  const notes = new Notes()
  notes.most = 0
  const { client, relay } = await asked(() => {}, {}, notes)
  const said =
    'HTTP/1.1 503 Service Unavailable\r\nServer: heddle\r\nx-heddle-breaker: pending\r\nContent-Length: 0\r\n\r\n'
  assert.equal(await client.until('\r\n\r\n'), said)
  assert.deepEqual([notes.said, relay.outbound.counts.requests.barred], [['pending'], 1])
  client.text = ''
  client.say(GET)
  assert.equal(await client.until('\r\n\r\n'), said)
})

test('who finds an idle connection does not wait', async () => {
  const { client, notes } = await asked(({ socket }) => socket.write(ok('fine')))
  await client.until('fine')
  notes.most = 0
  client.text = ''
  client.say(GET)
  assert.equal(await client.until('fine'), ok('fine'))
})

test('a refusal has the bytes of the kernel’s, and closes where it has to', () => {
  const text = (close: boolean) => localReply(breakerReply('open'), close).toString('latin1')
  const head = 'HTTP/1.1 503 Service Unavailable\r\nServer: heddle\r\nx-heddle-breaker: open\r\n'
  assert.equal(text(false), `${head}Content-Length: 0\r\n\r\n`)
  assert.equal(text(true), `${head}Connection: close\r\nContent-Length: 0\r\n\r\n`)
})
