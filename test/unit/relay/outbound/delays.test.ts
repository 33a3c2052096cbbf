/** A request that its route lets wait: sent on after that time, in the time that it has, and not at all for nobody. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Outcome } from '../../../../agent/relay/outbound/ports.ts'
import { Client, endpoint, eventually, ok, slowPath, to } from './slow-path.ts'

const PUT = 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello'
const closing: (() => unknown)[] = []
after(async () => {
  for (const close of closing.reverse()) await close()
})

async function asked(more: Partial<Extract<Outcome, { kind: 'forward' }>>) {
  let heard = ''
  const server = await endpoint((seen, bytes) => {
    heard += bytes
    if (heard.endsWith('hello')) seen.socket.write(ok('fine'))
  })
  const relay = await slowPath(() => to(server, more))
  closing.push(() => server.close(), relay.close)
  const client = new Client(relay.port)
  closing.push(() => client.close())
  client.say(PUT)
  return { relay, client, heard: () => heard }
}

test('it gets to its server whole, and not before its time', async () => {
  const begun = performance.now()
  const { client, heard } = await asked({ delay: 150 })
  assert.equal(await client.until('fine'), ok('fine'))
  assert.equal(heard(), PUT)
  assert.ok(performance.now() - begun >= 149)
})

test('a timeout of the request ends the wait with 504, and no server hears of it', async () => {
  const { client, heard } = await asked({ delay: 60_000, requestTimeout: 50 })
  assert.match(await client.until('\r\n\r\n'), /^HTTP\/1.1 504 /)
  assert.equal(heard(), '')
})

test('a try has its whole time behind the wait', async () => {
  const { client } = await asked({ delay: 500, backendTimeout: 450 })
  assert.equal(await client.until('fine'), ok('fine'))
})

test('a client that resets its connection is waited for by nobody', async () => {
  const { client, relay, heard } = await asked({ delay: 200 })
  await eventually(() => relay.outbound.counts.connections.open === 1)
  await new Promise((resolve) => setTimeout(resolve, 20))
  client.socket.resetAndDestroy()
  await eventually(() => relay.outbound.counts.requests.abandoned === 1)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal(heard(), '')
})
