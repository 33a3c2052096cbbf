/** A request whose endpoint says nothing more, and takes nothing, for the time that its route gives it. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Client, endpoint, eventually, type Seen, slowPath, to } from './slow-path.ts'

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
/** Milliseconds; what goes on says something eight times in it, on a machine that is busy. */
const IDLE = 400
const TICKS = 12
const closing: (() => unknown)[] = []
after(async () => {
  for (const close of closing.reverse()) await close()
})

async function asked(on: (seen: Seen) => void) {
  const server = await endpoint((seen, bytes) => {
    if (bytes.includes('HTTP/1.1')) on(seen)
  })
  const relay = await slowPath(() => to(server, { idleTimeout: IDLE }))
  closing.push(() => server.close(), relay.close)
  const client = new Client(relay.port)
  closing.push(() => client.close())
  client.say(GET)
  return { client, relay }
}

test('who never answers is given up: 504', async () => {
  const { client, relay } = await asked(() => {})
  assert.match(await client.until('\r\n\r\n'), /^HTTP\/1.1 504 /)
  assert.equal(relay.outbound.counts.requests.timedOut, 1)
})

test('who stops within his response is given up: a reset', async () => {
  const { client, relay } = await asked((seen) =>
    seen.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'),
  )
  await client.until('half')
  await eventually(() => relay.outbound.counts.requests.broken === 1)
})

test('who goes on, however slowly, is not', async () => {
  const { client } = await asked((seen) => {
    seen.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${TICKS}\r\n\r\n`)
    let said = 0
    const timer = setInterval(() => {
      seen.socket.write('x')
      if (++said === TICKS) clearInterval(timer)
    }, IDLE / 8)
  })
  assert.match(await client.until('x'.repeat(TICKS)), /^HTTP\/1.1 200 OK/)
})
