/** Ways past the judge of a stream, each of which was open once. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import type { KernelFixture } from './kernel-fixture.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { connected, enforce, enforced, oneRule, until } from './one-rule.ts'
import { python, pythonServer, whyNoPython } from './python-server.ts'

const skip = whyNoKernel() ?? false
const skipPython = whyNoPython() ?? false
const OPEN = 'GET /open HTTP/1.1\r\nHost: a\r\n\r\n'
const SHUT = 'GET /shut HTTP/1.1\r\nHost: a\r\n\r\n'
const UPGRADE = 'GET /open HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n'

/** Sends, and returns when a verdict was counted for it. */
async function judged(fixture: KernelFixture, socket: Socket, bytes: string, reason: string): Promise<void> {
  const before = fixture.counters()[reason] ?? 0
  socket.write(bytes, 'latin1')
  await until(() => (fixture.counters()[reason] ?? 0) > before)
}

const nobody = (rows: { identity: number; subject: bigint[]; peer: bigint[] }[]) =>
  rows.map((row) => ({ ...row, peer: row.peer.map(() => 0n) }))

test('a client that ends no segment with a message is judged by new identities too', { skip }, async (t) => {
  const { fixture, rows } = await enforced(t, oneRule())
  const server = await fixture.recordingServer()
  const socket = await connected(server.port)
  await judged(fixture, socket, OPEN + OPEN.slice(0, 9), 'ALLOWED')
  await fixture.kernel.setRows(1, nobody(rows))
  // The rest of the message in progress is its own; what begins behind it is not.
  await judged(fixture, socket, OPEN.slice(9) + OPEN, 'DROPPED')
  const recorded = server.recorded(socket.localPort ?? 0)
  socket.resume().end() // a reset would take bytes that the server has not read yet
  assert.equal((await recorded).bytes.toString().trim(), (OPEN + OPEN).trim())
})

test('what is owed goes out before a drop that has no answer of its own', { skip }, async (t) => {
  const { fixture, rows } = await enforced(t, oneRule())
  const server = await fixture.recordingServer()
  const socket = await connected(server.port)
  const read: Buffer[] = []
  socket.on('data', (bytes) => read.push(bytes))
  socket.write(OPEN)
  await once(socket, 'data') // accepted: from now on a segment is judged when it arrives
  server.signal('SIGSTOP')
  await judged(fixture, socket, OPEN + OPEN.slice(0, 9), 'ALLOWED')
  await fixture.kernel.setRows(1, nobody(rows))
  await judged(fixture, socket, OPEN.slice(9) + OPEN, 'DROPPED')
  server.signal('SIGCONT')
  const ended = once(socket, 'end')
  socket.end()
  await ended
  const answers = Buffer.concat(read)
    .toString('latin1')
    .match(/\d \/open/g)
  assert.deepEqual(answers, ['1 /open', '2 /open', '3 /open'])
})

test('what is refused at the start of a segment passes no byte of it', { skip }, async (t) => {
  const { fixture, rows } = await enforced(t, oneRule())
  const server = await fixture.recordingServer()
  const socket = await connected(server.port)
  const long = OPEN.replace('Host: a', `Host: a\r\nX: ${'x'.repeat(2000)}`)
  await judged(fixture, socket, long + OPEN, 'ALLOWED')
  await until(() => fixture.counters().ALLOWED === 2)
  await fixture.kernel.setRows(1, nobody(rows))
  await judged(fixture, socket, OPEN, 'DROPPED')
  const recorded = server.recorded(socket.localPort ?? 0)
  socket.destroy()
  assert.equal((await recorded).bytes.toString(), long + OPEN)
})

const MANY_REFUSED = `
import socket, sys
for i in range(1000):
    s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
    s.sendall(sys.argv[2].encode())
    if not s.recv(100).startswith(b'HTTP/1.1 403 '): sys.exit('an answer that is no refusal')
    s.close()
`

test('a workload whose identity changes is never nobody', { skip: skipPython }, async (t) => {
  const { fixture, rows, identity } = await enforced(t, oneRule())
  const server = await fixture.recordingServer()
  await fixture.kernel.setRows(1, [...rows, ...rows.map((row) => ({ ...row, identity: identity + 1 }))])
  const client = spawn('python3', ['-c', MANY_REFUSED, String(server.port), SHUT], { stdio: 'inherit' })
  for (let turn = 0; client.exitCode === null; turn++) {
    await fixture.kernel.setAddresses([{ address: '127.0.0.1', identity: identity + (turn % 2) }])
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(client.exitCode, 0)
  assert.equal(fixture.counters().PASSED, 0)
})

test('a segment that grew far above 64 KB is blanked out to its end', { skip: skipPython }, async (t) => {
  const { fixture } = await enforced(t, oneRule())
  const server = await pythonServer(fixture, OK)
  server.signal('SIGSTOP') // data before accept() is judged as one segment
  const socket = await connected(server.port)
  socket.on('data', () => {})
  const parts = OPEN + SHUT + '\r\n'.repeat(50_000) + SHUT
  for (let at = 0; at < parts.length; at += 16_384)
    await new Promise((resolve) => socket.write(parts.slice(at, at + 16_384), resolve))
  await until(() => socket.bytesWritten === parts.length && socket.writableLength === 0)
  server.signal('SIGCONT')
  await until(() => fixture.counters().DENIED === 1)
  const recorded = server.recorded(socket.localPort ?? 0)
  socket.destroy()
  const { bytes } = await recorded
  assert.ok(bytes.length > 66_000, `${bytes.length} bytes: not the segment that was meant`)
  assert.equal(bytes.toString('latin1').trim(), OPEN.trim())
})

const tunnels = [
  { name: 'asked for, at once', requests: UPGRADE, reply: SWITCH, passes: true },
  { name: 'that nobody asked for', requests: OPEN, reply: SWITCH, passes: false },
  {
    name: 'in the body that a server gives to a HEAD',
    requests: OPEN.replace('GET', 'HEAD') + UPGRADE,
    reply: `HTTP/1.1 200 OK\r\nContent-Length: ${SWITCH.length}\r\n\r\n${SWITCH}`,
    passes: false,
  },
  {
    name: 'in the body that a server gives to a 204',
    requests: OPEN + UPGRADE,
    reply: `HTTP/1.1 204 No Content\r\n\r\n${SWITCH}`,
    passes: false,
  },
  { name: 'for the request before the last', requests: UPGRADE + OPEN, reply: SWITCH, passes: false },
]

for (const { name, requests, reply, passes } of tunnels)
  test(`a 101 ${name} ${passes ? 'opens' : 'opens no'} tunnel`, { skip: skipPython }, async (t) => {
    const { fixture } = await enforced(t, oneRule())
    const server = await pythonServer(fixture, reply)
    const socket = await connected(server.port)
    socket.write(requests)
    await once(socket, 'data')
    if (passes) socket.write(SHUT)
    else await judged(fixture, socket, SHUT, 'DENIED')
    if (passes) await once(socket, 'data')
    const recorded = server.recorded(socket.localPort ?? 0)
    socket.destroy()
    assert.equal((await recorded).bytes.toString(), requests + (passes ? SHUT : ''))
  })

test('behind a segment that no generation took, nothing passes', { skip }, async (t) => {
  const { fixture } = await enforced(t, oneRule())
  const server = await fixture.recordingServer()
  const socket = await connected(server.port)
  const body = OPEN.replace('GET', 'POST').replace('Host: a', 'Host: a\r\nContent-Length: 10')
  await judged(fixture, socket, `${body}12345`, 'ALLOWED')
  fixture.withMap('verdicts', (map) => map.delete(u32(1)))
  await judged(fixture, socket, '67890', 'NO_GENERATION')
  await enforce(fixture, oneRule(), 1)
  await judged(fixture, socket, `67890${OPEN}`, 'AFTER_REFUSAL')
  const recorded = server.recorded(socket.localPort ?? 0)
  socket.destroy()
  assert.equal((await recorded).bytes.toString(), `${body}12345`)
})

const MPTCP = 262
const MPTCP_CLIENT = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, ${MPTCP})
s.connect(('127.0.0.1', int(sys.argv[1])))
s.sendall(sys.argv[2].encode())
print(s.recv(100))
`

test('who speaks MPTCP to a server that can is judged all the same', { skip: skipPython }, async (t) => {
  const { fixture } = await enforced(t, oneRule())
  const server = await pythonServer(fixture, OK, MPTCP)
  // A client that once fell back would not even try for an hour: setting the hour anew forgets that.
  const detection = '/proc/sys/net/mptcp/blackhole_timeout'
  const forget = () => writeFileSync(detection, readFileSync(detection))
  forget()
  t.after(forget)
  // Its SYN stays unanswered until it is a plain one.
  assert.match(python(MPTCP_CLIENT, server.port, SHUT), /HTTP\/1\.1 403 /)
  assert.match(python(MPTCP_CLIENT, server.port, OPEN), /HTTP\/1\.1 200 /)
})
