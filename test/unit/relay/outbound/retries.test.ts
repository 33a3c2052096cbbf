/** What a route has sent again: which answers, how often, when, and which requests never. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Retry } from '../../../../pipelines/policy/route.ts'
import type { Outcome } from '../../../../agent/relay/outbound/ports.ts'
import { Client, endpoint, eventually, ok, type Seen, slowPath, to } from './slow-path.ts'

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
const EMPTY_POST = 'POST / HTTP/1.1\r\nHost: x\r\n\r\n'
const PUT = 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello'
const failing = (status: number) => `HTTP/1.1 ${status} No\r\nContent-Length: 4\r\n\r\nfail`

const closing: (() => unknown)[] = []
after(async () => {
  for (const close of closing.reverse()) await close()
})

type Tried = { number: number; seen: Seen }
const retry = (parts: Partial<Retry> = {}): Retry => ({ codes: [503], attempts: 3, backoff: 1, ...parts })

/** An endpoint that `on` answers for, told which request it is, and a client that has said `said`. */
async function asked(
  said: string,
  on: (tried: Tried) => void,
  more: Partial<Extract<Outcome, { kind: 'forward' }>>,
) {
  let number = 0
  const server = await endpoint((seen, bytes) => {
    if (bytes.includes('HTTP/1.1')) on({ number: ++number, seen })
  })
  const relay = await slowPath(() => to(server, more))
  closing.push(() => server.close(), relay.close)
  const client = new Client(relay.port)
  closing.push(() => client.close())
  client.say(said)
  return { relay, client, count: () => number, close: server.close }
}

const say =
  (times: number, text: string) =>
  ({ number, seen }: Tried) =>
    seen.socket.write(number <= times ? text : ok('fine'))

test('an answer that is none is asked for again until it is one, and nobody hears of it', async () => {
  const { client, count, relay } = await asked(GET, say(3, failing(503)), { retry: retry() })
  assert.equal(await client.until('fine'), ok('fine'))
  assert.deepEqual([count(), relay.outbound.counts.retries], [4, 3])
})

test('the last answer stands where the retries are used up', async () => {
  const { client, count } = await asked(GET, say(9, failing(503)), { retry: retry() })
  assert.equal(await client.until('fail'), failing(503))
  assert.equal(count(), 4)
})

const ONCE: [string, string, number, Retry | undefined][] = [
  ['a status that the policy does not name', GET, 500, retry()],
  ['any status without a policy', GET, 503, undefined],
  ['a POST', EMPTY_POST, 503, retry()],
  ['a request whose body has left', PUT, 503, retry()],
]
for (const [what, said, status, policy] of ONCE)
  test(`${what} is passed on, and asked for once`, async () => {
    const more = policy === undefined ? {} : { retry: policy }
    const { client, count } = await asked(said, say(9, failing(status)), more)
    assert.equal(await client.until('fail'), failing(status))
    assert.equal(count(), 1)
  })

for (const [what, attempts, expected] of [
  ['within the retries', 4, ok('fine')],
  ['once too often', 3, 'HTTP/1.1 503 Service Unavailable\r\nServer: heddle\r\nContent-Length: 0\r\n\r\n'],
] as const)
  test(`a connection that is reset ${what}`, async () => {
    const on = ({ number, seen }: Tried) =>
      number <= 4 ? seen.socket.resetAndDestroy() : seen.socket.write(ok('fine'))
    const { client } = await asked(GET, on, { retry: retry({ attempts, codes: [] }) })
    assert.equal(await client.until(expected.slice(-4)), expected)
  })

test('a connection that breaks off within a head is one of them', async () => {
  const on = ({ number, seen }: Tried) => seen.socket.end(number === 1 ? 'HTTP/1.1 200' : ok('fine'))
  const { client } = await asked(GET, on, { retry: retry() })
  assert.equal(await client.until('fine'), ok('fine'))
})

test('a response of which the client has a part is never begun again', async () => {
  const on = ({ seen }: Tried) => {
    seen.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart')
    setTimeout(() => seen.socket.resetAndDestroy(), 20)
  }
  const { client, count } = await asked(GET, on, { retry: retry() })
  await client.untilEnd()
  assert.deepEqual([client.end, count()], ['RST', 1])
})

test('an endpoint that takes too long is one of them; a request that does is not', async () => {
  const on = ({ number, seen }: Tried) => number > 1 && seen.socket.write(ok('fine'))
  const late = await asked(GET, on, { retry: retry(), backendTimeout: 30 })
  assert.equal(await late.client.until('fine'), ok('fine'))
  const never = await asked(GET, () => {}, { retry: retry(), backendTimeout: 30, requestTimeout: 45 })
  assert.match(await never.client.until('\r\n\r\n'), /^HTTP\/1\.1 504 /)
  assert.equal(never.count(), 2)
})

test('it waits as long as the policy says, and twice as long then', async () => {
  const at: number[] = []
  const on = (tried: Tried) => {
    at.push(performance.now())
    say(2, failing(503))(tried)
  }
  const { client } = await asked(GET, on, { retry: retry({ backoff: 40 }) })
  await client.until('fine')
  const [first = 0, second = 0, third = 0] = at
  // Timers count in whole milliseconds.
  assert.ok(second - first >= 39 && third - second >= 79, `${at}`)
})

test('the time of one endpoint is no longer counted while nobody is asked', async () => {
  const times = { backendTimeout: 30, retry: retry({ backoff: 60 }) }
  const { client, relay } = await asked(GET, say(1, failing(503)), times)
  await client.until('fine')
  assert.equal(relay.outbound.counts.retries, 1)
})

test('where no connection is to be had after an answer that is none, the request is unavailable', async () => {
  const { client, close, count } = await asked(GET, say(9, failing(503)), { retry: retry({ backoff: 40 }) })
  await eventually(() => count() === 1)
  close()
  assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 503 Service Unavailable\r\nServer: heddle\r\n/)
})

test('a client that leaves while it waits is not answered for', async () => {
  const { client, count, relay } = await asked(GET, say(9, failing(503)), { retry: retry({ backoff: 200 }) })
  await eventually(() => count() === 1)
  client.socket.resetAndDestroy()
  await eventually(() => relay.outbound.counts.requests.abandoned === 1)
  await new Promise((resolve) => setTimeout(resolve, 250))
  assert.deepEqual([count(), relay.pool.counts.dialled], [1, 1])
})

test('what was pipelined behind it waits its turn', async () => {
  const on = ({ number, seen }: Tried) => seen.socket.write(number === 1 ? failing(503) : ok(`${number}`))
  const { client } = await asked(GET + GET, on, { retry: retry({ backoff: 20 }) })
  assert.equal(await client.until(ok('3')), ok('2') + ok('3'))
})
