/** What is missing or full has an answer, and the answer is closed (decisions: exhaustion). */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { BpfMap, u32, u64 } from '../../../agent/adapters/libbpf.ts'
import { ConnLayout, Limit, PopulationLayout, WindowLayout } from '../../../bpf/abi/heddle.gen.ts'
import { compileSet, dispatcherElf } from './artifacts.ts'
import { exchange, readReplies } from './exchange.ts'
import { KernelFixture, whyNoKernel } from './kernel-fixture.ts'
import { connected, enforce, oneRule } from './one-rule.ts'

const skip = whyNoKernel() ?? false
const GET = Buffer.from('GET /open HTTP/1.1\r\nHost: a\r\n\r\n')

async function fixtureFor(t: TestContext): Promise<KernelFixture> {
  const fixture = await KernelFixture.create(await dispatcherElf())
  t.after(() => fixture.close())
  return fixture
}

const answered = (bytes: Buffer) => readReplies(bytes, []).length > 0
const ask = (port: number) => exchange({ host: '127.0.0.1', port, from: '127.0.0.1' }, [GET], answered)

/** Waits for a counter to grow: the kernel's own word that something was refused. */
async function counted(fixture: KernelFixture, reason: string, before: number): Promise<void> {
  while ((fixture.counters()[reason] ?? 0) <= before) await new Promise((resolve) => setImmediate(resolve))
}

async function refusedSyn(fixture: KernelFixture, port: number, reason: string): Promise<void> {
  const before = fixture.counters()[reason] ?? 0
  const socket = connect({ host: '127.0.0.1', port })
  let up = false
  socket.on('connect', () => {
    up = true
  })
  socket.on('error', () => {})
  await counted(fixture, reason, before)
  assert.equal(up, false)
  socket.destroy()
}

test('before a verified generation is staged, a managed workload is closed', { skip }, async (t) => {
  const fixture = await fixtureFor(t)
  const server = await fixture.recordingServer()
  await refusedSyn(fixture, server.port, 'NO_GENERATION')
})

test('a node that closes lets nobody in until the next flip', { skip }, async (t) => {
  const fixture = await fixtureFor(t)
  await enforce(fixture, oneRule(), 1)
  const active = (await fixture.kernel.inspect())?.active
  assert.ok(active)
  const server = await fixture.recordingServer()
  await fixture.kernel.close()
  assert.equal((await fixture.kernel.inspect())?.active, null)
  await refusedSyn(fixture, server.port, 'NO_GENERATION')
  await fixture.kernel.flip(active.slot, active.generation + 1)
  const again = await connected(server.port)
  again.write(GET)
  const [reply] = (await once(again, 'data')) as [Buffer]
  assert.match(reply.toString(), /^HTTP\/1\.1 200 /)
  again.destroy()
})

test('a node that has no room for a connection refuses the new one and serves the old', {
  skip,
}, async (t) => {
  const fixture = await fixtureFor(t)
  await enforce(fixture, oneRule(), 1)
  const server = await fixture.recordingServer()
  const old = await connected(server.port)
  const population = (count: number) => {
    const value = Buffer.alloc(PopulationLayout.bytes)
    value.writeBigUInt64LE(BigInt(count), PopulationLayout.fields.connections.at)
    fixture.withMap('population', (map) => map.update(u32(0), value))
  }
  population(Limit.MAX_CONNS)
  await refusedSyn(fixture, server.port, 'EXHAUSTED')
  old.write(GET)
  const [reply] = (await once(old, 'data')) as [Buffer]
  assert.match(reply.toString(), /^HTTP\/1\.1 200 /)
  // Back to the one that is open: its end counts down.
  population(1)
  old.destroy()
  assert.equal(readReplies((await ask(server.port)).replies, [])[0]?.status, 200)
})

test('a socket whose state is gone gets nothing through', { skip }, async (t) => {
  const fixture = await fixtureFor(t)
  await enforce(fixture, oneRule(), 1)
  const server = await fixture.recordingServer()
  const socket = await connected(server.port)
  fixture.withMap('conns', (map) => {
    for (const key of [...map.keys(8, 16)])
      if (
        map.lookup(key, ConnLayout.bytes)?.readUInt16LE(ConnLayout.fields.remote_port.at) === socket.localPort
      )
        map.delete(key)
  })
  const before = fixture.counters().NO_CONNECTION ?? 0
  socket.write(GET)
  await counted(fixture, 'NO_CONNECTION', before)
  const recorded = server.recorded(socket.localPort ?? 0)
  socket.destroy()
  assert.equal((await recorded).bytes.length, 0)
})

test('without a free scratch window a request is not let through unread', { skip }, async (t) => {
  const fixture = await fixtureFor(t)
  await enforce(fixture, oneRule(), 1)
  const server = await fixture.recordingServer()
  const windows = (busy: number) =>
    fixture.withMap('windows', (map) => {
      for (let i = 0; i < Limit.MAX_CPUS * Limit.WINDOWS_PER_CPU; i++) {
        const value = Buffer.alloc(WindowLayout.bytes)
        value.writeUInt32LE(busy, WindowLayout.fields.busy.at)
        map.update(u32(i), value)
      }
    })
  const socket = await connected(server.port)
  windows(1)
  const before = fixture.counters().NO_WINDOW ?? 0
  socket.write(GET)
  await counted(fixture, 'NO_WINDOW', before)
  const recorded = server.recorded(socket.localPort ?? 0)
  socket.destroy()
  assert.equal((await recorded).bytes.length, 0)
  windows(0)
  assert.equal(readReplies((await ask(server.port)).replies, [])[0]?.status, 200)
})

test('a slot that is gone under the active generation closes, it does not open', { skip }, async (t) => {
  const fixture = await fixtureFor(t)
  await enforce(fixture, oneRule(), 1)
  const server = await fixture.recordingServer()
  await fixture.kernel.unstage(1)
  await refusedSyn(fixture, server.port, 'NO_GENERATION')
})

test('programs go on judging when nobody holds them but the kernel', { skip }, async (t) => {
  const fixture = await fixtureFor(t)
  await enforce(fixture, oneRule(), 1)
  const server = await fixture.recordingServer()
  const denied = Buffer.from('GET /other HTTP/1.1\r\nHost: a\r\n\r\n')
  // This process keeps no descriptor of them: every adapter call closes what it opened.
  const { replies } = await exchange(
    { host: '127.0.0.1', port: server.port, from: '127.0.0.1' },
    [denied],
    answered,
  )
  assert.equal(readReplies(replies, [])[0]?.status, 403)
})

test('detaching is explicit, and ends enforcement for new connections', { skip }, async (t) => {
  const fixture = await fixtureFor(t)
  await enforce(fixture, oneRule(), 1)
  const server = await fixture.recordingServer()
  await fixture.kernel.detach()
  assert.equal(await fixture.kernel.inspect(), null)
  const denied = Buffer.from('GET /other HTTP/1.1\r\nHost: a\r\n\r\n')
  const { replies } = await exchange(
    { host: '127.0.0.1', port: server.port, from: '127.0.0.1' },
    [denied],
    answered,
  )
  assert.equal(readReplies(replies, [])[0]?.status, 200)
})

test('an artifact whose program the verifier rejects fails with the end of its log', { skip }, async (t) => {
  const fixture = await fixtureFor(t)
  const { elf } = await compileSet(oneRule())
  const broken = Uint8Array.from(elf)
  // Turn the first `exit` into a load from an uninitialised register.
  const exit = Buffer.from(broken.buffer).indexOf(Buffer.from(u64(0x95)))
  broken.set([0x79, 0x99, 0, 0, 0, 0, 0, 0], exit)
  await assert.rejects(fixture.stage(1, broken, []), (error: { code: string; detail: string[] }) => {
    assert.equal(error.code, 'verifier-rejected')
    assert.ok(error.detail.length > 0)
    return true
  })
  assert.throws(() => BpfMap.pinned(fixture.pins.slotMap(1, 'self')), 'nothing half-staged stays behind')
})
