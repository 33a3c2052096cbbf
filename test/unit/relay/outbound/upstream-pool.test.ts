/** Which connection the next request gets, which are kept, and for how long. */
import assert from 'node:assert/strict'
import { after, mock, test } from 'node:test'
import { UpstreamPool } from '../../../../agent/relay/outbound/upstream-pool.ts'
import { type Endpoint, endpoint, eventually } from './slow-path.ts'

const closing: (() => unknown)[] = []
after(() => {
  for (const close of closing.reverse()) close()
})

async function set(): Promise<{ pool: UpstreamPool; server: Endpoint; clock: { now: number } }> {
  const server = await endpoint(() => {})
  const clock = { now: 0 }
  const pool = new UpstreamPool(() => clock.now)
  closing.push(server.close, () => pool.close())
  return { pool, server, clock }
}

test('the last one given back is taken first; a fresh one was never used', async () => {
  const { pool, server } = await set()
  const [first, second] = [await pool.take(server.target, false), await pool.take(server.target, false)]
  pool.giveBack(server.target, first)
  pool.giveBack(server.target, second)
  assert.equal(await pool.take(server.target, false), second)
  const fresh = await pool.take(server.target, true)
  assert.ok(fresh !== first && fresh !== second)
  assert.deepEqual([pool.waiting, pool.counts.dialled, pool.counts.reused], [1, 3, 1])
  for (const wire of [second, fresh]) wire.destroy()
})

test('identity, endpoint and source address each have connections of their own', async () => {
  const { pool, server } = await set()
  pool.giveBack(server.target, await pool.take(server.target, false))
  const others = [
    { ...server.target, identity: 2 },
    { ...server.target, source: '127.0.0.9' },
  ]
  for (const target of others) (await pool.take(target, false)).destroy()
  assert.equal(pool.counts.dialled, 3)
  assert.equal(pool.waiting, 1)
  await eventually(() => server.seen.some(({ socket }) => socket.remoteAddress === '127.0.0.9'))
})

for (const [what, act] of [
  ['speaks', (server: Endpoint) => server.seen[0]?.socket.write('HTTP/1.1 408 Request Timeout\r\n\r\n')],
  ['ends', (server: Endpoint) => server.seen[0]?.socket.end()],
  ['resets', (server: Endpoint) => server.seen[0]?.socket.resetAndDestroy()],
] as const)
  test(`an idle one whose server ${what} is kept no longer`, async () => {
    const { pool, server } = await set()
    pool.giveBack(server.target, await pool.take(server.target, false))
    await eventually(() => server.seen.length === 1)
    act(server)
    await eventually(() => pool.waiting === 0)
    assert.notEqual(await pool.take(server.target, false), undefined)
    assert.equal(pool.counts.dialled, 2)
  })

test('more than 64 of one endpoint are not kept', async () => {
  const { pool, server } = await set()
  const wires = await Promise.all(Array.from({ length: 70 }, () => pool.take(server.target, false)))
  for (const wire of wires) pool.giveBack(server.target, wire)
  assert.equal(pool.waiting, 64)
  assert.equal(wires.filter(({ open }) => open).length, 64)
})

test('more than 1,024 in all are not kept', async () => {
  const { pool, server } = await set()
  const targets = Array.from({ length: 17 }, (_, identity) => ({ ...server.target, identity }))
  for (const target of targets) {
    const wires = await Promise.all(Array.from({ length: 64 }, () => pool.take(target, true)))
    for (const wire of wires) pool.giveBack(target, wire)
  }
  assert.equal(pool.waiting, 1_024)
})

test('what waited for four seconds is closed, what came back since stays', async () => {
  mock.timers.enable({ apis: ['setInterval'] })
  try {
    const { pool, server, clock } = await set()
    const [old, young] = [await pool.take(server.target, false), await pool.take(server.target, false)]
    pool.giveBack(server.target, old)
    clock.now = 2_000
    pool.giveBack(server.target, young)
    clock.now = 4_000
    mock.timers.tick(2_000)
    assert.deepEqual([old.open, young.open, pool.waiting], [false, true, 1])
  } finally {
    mock.timers.reset()
  }
})

test('closed, it keeps nothing', async () => {
  const { pool, server } = await set()
  const [idle, used] = [await pool.take(server.target, false), await pool.take(server.target, false)]
  pool.giveBack(server.target, idle)
  pool.close()
  pool.giveBack(server.target, used)
  assert.deepEqual([idle.open, used.open, pool.waiting], [false, false, 0])
})
