/**
 * Every live map filled to its last entry: what is new is closed or judged anew, what
 * is known goes on, and a counter or a failure says so (decisions: exhaustion).
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import { ConnLayout, Limit, NodeLayout } from '../../../bpf/abi/heddle.gen.ts'
import { fillSockets, fillUp } from './full-maps.ts'
import { type KernelFixture, whyNoKernel } from './kernel-fixture.ts'
import { connected, enforced, oneRule, until } from './one-rule.ts'
import { whyNoPython } from './python-server.ts'
import { relayArtifact } from './relay-artifact.ts'
import { RelayFixture } from './relay-fixture.ts'
import { SERVERS, type ServerKind } from './relay-servers.ts'

const skip = whyNoKernel() ?? false
const OPEN = 'GET /open HTTP/1.1\r\nHost: a\r\n\r\n'
const SHUT = 'GET /shut HTTP/1.1\r\nHost: a\r\n\r\n'

const count = (fixture: KernelFixture, reason: string) => fixture.counters()[reason] ?? 0

async function answer(socket: Socket, request: string): Promise<string> {
  socket.write(request)
  const [reply] = (await once(socket, 'data')) as [Buffer]
  return reply.toString('latin1').slice(9, 12)
}

test('conns: a connection that finds no room is closed, an old one goes on', { skip }, async (t) => {
  const { fixture } = await enforced(t, oneRule())
  const server = await fixture.recordingServer()
  const old = await connected(server.port)
  const keys = fixture.withMap('conns', (map) =>
    fillUp(map, Limit.MAX_CONNS, 8, Buffer.alloc(ConnLayout.bytes)),
  )
  const late = await connected(server.port)
  late.write(OPEN)
  await until(() => count(fixture, 'NO_CONNECTION') > 0)
  assert.equal(count(fixture, 'EXHAUSTED'), 1)
  const recorded = server.recorded(late.localPort ?? 0)
  late.destroy()
  assert.equal((await recorded).bytes.length, 0)
  assert.equal(await answer(old, OPEN), '200')
  fixture.withMap('conns', (map) => {
    for (const key of keys) map.delete(key)
  })
  assert.equal(await answer(await connected(server.port), SHUT), '403')
})

test('sockets: what could not be enrolled is closed by its packets', { skip }, async (t) => {
  const { fixture } = await enforced(t, oneRule())
  const server = await fixture.recordingServer()
  const old = await connected(server.port)
  assert.equal(await answer(old, OPEN), '200')
  const empty = await fillSockets(fixture.pins.map('sockets'), 2 * Limit.MAX_CONNS - 1)
  const late = await connected(server.port)
  await until(() => count(fixture, 'ENROL_FAILED') > 0)
  let said = ''
  late.on('data', (bytes) => (said += bytes))
  late.write(OPEN)
  assert.equal(await answer(old, OPEN), '200')
  assert.equal(await answer(old, OPEN), '200')
  assert.equal(said, '')
  await empty()
  assert.equal(await answer(await connected(server.port), SHUT), '403')
})

test('identities: an address that finds no room fails by name, and nothing is opened by it', {
  skip,
}, async (t) => {
  const { fixture } = await enforced(t, oneRule())
  const server = await fixture.recordingServer()
  const addresses = Array.from({ length: Limit.MAX_ADDRESSES }, (_, i) => ({
    address: `2001:db8::${(i >> 8).toString(16)}:${(i & 255).toString(16)}`,
    identity: 2,
  }))
  const own = { address: '127.0.0.1', identity: 1 }
  await fixture.kernel.setAddresses([own, ...addresses.slice(1)])
  await assert.rejects(fixture.kernel.setAddresses([own, ...addresses]), /E2BIG|ENOSPC/)
  assert.equal(await answer(await connected(server.port), SHUT), '403')
})

test('identity rows: a generation that finds no room is not staged, the old one judges on', {
  skip,
}, async (t) => {
  const { fixture, rows } = await enforced(t, oneRule())
  const server = await fixture.recordingServer()
  const [row] = rows
  assert.ok(row)
  const many = Array.from({ length: Limit.MAX_IDENTITIES + 1 }, (_, i) => ({ ...row, identity: i + 1 }))
  await assert.rejects(fixture.kernel.setRows(1, many), /E2BIG|ENOSPC/)
  assert.equal(await answer(await connected(server.port), SHUT), '403')
  assert.equal(await answer(await connected(server.port), OPEN), '200')
})

test('flows: the oldest gives way, and what answers it is judged', {
  skip: whyNoPython() ?? false,
}, async (t) => {
  const { fixture } = await enforced(t, oneRule(false))
  const child = fixture.spawnManaged('python3', ['-c', FLOOD, String(3 * Limit.MAX_FLOWS)])
  const said: string[] = []
  if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => said.push(line))
  await until(() => said.length === 1 || child.exitCode !== null)
  assert.deepEqual(said, ['newest answered'])
  assert.ok(count(fixture, 'DROPPED') > 0)
})

/** A managed client greets from one socket to ever other ports; the first and the last peer answer. */
const FLOOD = `
import socket, sys
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(('127.0.0.1', 0))
def peer():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('127.0.0.1', 0))
    return s
oldest, newest = peer(), peer()
own.sendto(b'x', oldest.getsockname())
for i in range(int(sys.argv[1])):
    own.sendto(b'x', ('127.0.%d.%d' % (1 + (i >> 8 & 127), i & 255), 9 + (i >> 15)))
own.sendto(b'x', newest.getsockname())
own.setblocking(False)
oldest.sendto(b'oldest answered', own.getsockname())
newest.sendto(b'newest answered', own.getsockname())
while True:
    try:
        print(own.recv(100).decode(), flush=True)
        break
    except (BlockingIOError, ConnectionRefusedError): pass
`

test('events: with a full ring what is refused stays refused, and a sweep ends it', { skip }, async () => {
  const relay = await RelayFixture.create(relayArtifact())
  try {
    const { node: fixture } = relay
    const server = await (SERVERS[0] as ServerKind).start(fixture)
    const trace = (on: number) =>
      fixture.withMap('node', (map) => {
        const value = map.lookup(u32(0), NodeLayout.bytes) ?? Buffer.alloc(NodeLayout.bytes)
        value.writeUInt32LE(on, NodeLayout.fields.trace.at)
        map.update(u32(0), value)
      })
    trace(1)
    const chatter = await relay.client(server.port)
    while (count(fixture, 'EVENT_LOST') === 0) {
      const before = chatter.text.length
      for (let i = 0; i < 200; i++) chatter.get('/public')
      await chatter.until(() => chatter.text.slice(before).split(' 200 ').length > 200)
    }
    trace(0)
    const client = await relay.client(server.port)
    client.get('/secret')
    await client.until(() => /^HTTP\/1\.1 403 /.test(client.text))
    await relay.startRelay()
    await client.until(() => client.end !== undefined)
    // The event of its refusal never came: the sweep alone could know.
    const { endings } = await relay.until(({ endings: e }) => e['afterReply'] === 1)
    assert.equal(endings['foundBySweep'], 1)
  } finally {
    await relay.close()
  }
})

for (const [map, keyBytes, capacity] of [
  ['relayed', 36, Limit.MAX_CONNS],
  ['steered', 20, Limit.MAX_ADDRESSES],
] as const)
  test(`${map}: what the relay can't announce stays closed`, { skip }, async () => {
    const relay = await RelayFixture.create(relayArtifact(), {}, 'relay')
    try {
      const server = await (SERVERS[0] as ServerKind).start(relay.node)
      if (map === 'steered') relay.node.withMap(map, (full) => fillUp(full, capacity, keyBytes, u32(1)))
      await relay.startRelay()
      if (map === 'relayed') {
        await relay.until(({ modes }) => modes['shop/a']?.reason === 'declared')
        relay.node.withMap(map, (full) => fillUp(full, capacity, keyBytes, u32(1)))
        // The reset may come before connect() is done, or after.
        const client = connect({ host: '127.0.0.1', port: server.port })
        let said = ''
        client.on('error', () => {}).on('data', (bytes) => (said += bytes))
        client.write('GET /public HTTP/1.1\r\nHost: x\r\n\r\n')
        await new Promise((closed) => client.on('close', closed))
        assert.equal(said, '')
      } else assert.equal(await relay.outcome(server.port), 'dropped')
      await relay.until(({ complaints }) => complaints > 0)
    } finally {
      await relay.close()
    }
  })
