/**
 * Shadow: a candidate judges beside the active generation. What is counted is what the two differ in, and
 * nothing that a client or a server sees is another than without it.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import type { Candidate } from '../../../agent/ports.ts'
import { ShadowCount, ShadowLimit, ShadowSeatLayout } from '../../../bpf/abi/heddle.gen.ts'
import { readReplies } from './exchange.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { connected, until } from './one-rule.ts'
import { allowing, asked, claimed, get, NOTHING, ShadowFixture } from './shadow-fixture.ts'
import { both, POLICIES, post, ROWS } from './shadow-rows.ts'

const skip = whyNoKernel() ?? false

test('what is counted, and that the client is answered by the active one', { skip }, async (t) => {
  const fixture = await ShadowFixture.create(t)
  const server = await fixture.node.recordingServer()
  const loaded = new Map<string, Candidate>()
  for (const [name, set] of Object.entries(POLICIES)) loaded.set(name, await fixture.load(set))
  // A policy beside itself is loaded twice, as on a node.
  const twin = await fixture.load(both)
  for (const { what, policies, sent, statuses, counts } of ROWS) {
    const [active, candidate] = policies.map((name) => loaded.get(name))
    assert.ok(active !== undefined && candidate !== undefined)
    await fixture.again(active, active === candidate ? twin : candidate)
    assert.deepEqual(await asked(server, sent, statuses.length), statuses, what)
    assert.deepEqual(await fixture.counts(), counts, what)
  }
})

test('a sample says who asked for what, and what both said; no query and no field', { skip }, async (t) => {
  const fixture = await ShadowFixture.create(t)
  const { active, candidate } = await fixture.pair(allowing('/open.*', '/both'), allowing('/both', '/late'))
  const server = await fixture.node.recordingServer()
  await asked(server, [get('/open?token=secret', 'Cookie: secret\r\n')], 1)
  await asked(server, [...get(`/open/${'p'.repeat(300)}`)], 1)
  await asked(server, [get('/late')], 1)
  const { samples, ...facts } = await fixture.found()
  assert.deepEqual([facts.active, facts.candidate], [active.slot, candidate.slot])
  assert.deepEqual(
    samples.map(({ kind, request }) => [kind, request?.method, request?.path.slice(0, 10)]),
    [
      ['new-allow', 'GET', '/late'],
      ['new-deny', 'GET', '/open/pppp'],
      ['new-deny', 'GET', '/open'],
    ],
  )
  assert.equal(JSON.stringify(samples).includes('secret'), false)
  assert.ok((samples[1]?.request?.path.length ?? 0) < ShadowLimit.SHADOW_TEXT)
  const [first] = samples
  assert.deepEqual(first?.active, { allowed: false, reason: 'DENIED', status: 403 })
  assert.deepEqual(first?.candidate, { allowed: true, reason: 'ALLOWED', status: 0 })
  assert.equal(first?.source.address, '127.0.0.1')
  assert.deepEqual(first?.destination, { address: '127.0.0.1', port: server.port })
})

test('samples are bounded: of each kind so many, and then one in a while', { skip }, async (t) => {
  const fixture = await ShadowFixture.create(t)
  const { candidate } = await fixture.pair(allowing('/open.*'), allowing('/both'))
  const server = await fixture.node.recordingServer()
  const paths = Array.from({ length: 300 }, (_, i) => get(`/open/${i}`))
  const began = performance.now()
  assert.equal((await asked(server, paths, 300)).length, 300)
  const pauses = ((performance.now() - began) * 1e6) / ShadowLimit.SHADOW_PAUSE_NS
  const { counts, samples } = await fixture.found()
  assert.equal(counts.newDenies + counts.unseen, 300)
  assert.equal(samples.length, ShadowLimit.SHADOW_SAMPLES)
  const pace = u32(candidate.slot * ShadowCount.SHADOW_COUNTS + ShadowCount.SHADOW_NEW_DENY)
  const taken = fixture.node.withMap('shadow_paces', (map) => map.lookup(pace, 8)?.readBigUInt64LE())
  assert.ok(Number(taken) <= ShadowLimit.SHADOW_SAMPLES + Math.ceil(pauses), `${taken} in ${pauses} pauses`)
})

test('tables of another size judge beside each other', { skip }, async (t) => {
  const fixture = await ShadowFixture.create(t)
  const many = Array.from({ length: 500 }, (_, i) => `/many/${((i + 1) * 7_919_317).toString(36)}`)
  const { active, candidate } = await fixture.pair(both, allowing('/both', ...many))
  const server = await fixture.node.recordingServer()
  await asked(server, [get('/open'), get('/both')], 2)
  assert.deepEqual(await fixture.counts(), { agree: 1, newDenies: 1 })
  assert.ok(candidate.bytes > active.bytes, 'another variant of the programs')
})

test('another generation becomes active: it asks only when it is told to, and counts begin at zero', {
  skip,
}, async (t) => {
  const fixture = await ShadowFixture.create(t)
  const { candidate } = await fixture.pair(both, allowing('/both'))
  const server = await fixture.node.recordingServer()
  await asked(server, [get('/open')], 1)
  const next = await fixture.activate(allowing('/open'))
  assert.deepEqual(await asked(server, [get('/both')], 1), [403])
  assert.deepEqual(await fixture.counts(), { newDenies: 1 }, 'the new one asks nobody')
  await fixture.node.kernel.shadow.begin(next.slot, candidate)
  assert.deepEqual(await fixture.counts(), {})
  await asked(server, [get('/both')], 1)
  assert.deepEqual(await fixture.counts(), { newAllows: 1 })
  assert.equal((await fixture.found()).active, next.slot)
})

test('a candidate that is gone changes nothing: its requests are unseen', { skip }, async (t) => {
  const fixture = await ShadowFixture.create(t)
  const { candidate } = await fixture.pair(both, allowing('/both'))
  const server = await fixture.node.recordingServer()
  await fixture.node.kernel.unstage(candidate.slot)
  assert.deepEqual(await asked(server, [get('/open'), get('/none')], 2), [200, 403])
  assert.deepEqual(await fixture.counts(), { unseen: 2 })
})

test('who loses its seat in the middle of a head is unseen, and seen again at its next message', {
  skip,
}, async (t) => {
  const fixture = await ShadowFixture.create(t)
  await fixture.pair(both, allowing('/both'))
  const server = await fixture.node.recordingServer()
  const { kernel } = fixture.node
  const socket = await connected(server.port)
  let text = ''
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
  })
  const [begin, end] = [get('/open').slice(0, 9), get('/open').slice(9)]
  socket.write(begin)
  while ((await kernel.busySlots()).size === 0) await new Promise((resolve) => setImmediate(resolve))
  const seat = Buffer.alloc(ShadowSeatLayout.bytes)
  fixture.node.withMap('shadow_seats', (map) => {
    for (let at = 0; at < ShadowLimit.SHADOW_SEATS; at++) map.update(u32(at), seat)
  })
  socket.write(end)
  await until(() => readReplies(Buffer.from(text), []).length === 1)
  assert.deepEqual(await fixture.counts(), { unseen: 1 })
  socket.write(get('/open'))
  await until(() => readReplies(Buffer.from(text), []).length === 2)
  assert.deepEqual(await fixture.counts(), { newDenies: 1, unseen: 1 })
  socket.destroy()
})

test('begun twice it goes on counting; ended, nobody asks; older programs are named', { skip }, async (t) => {
  const fixture = await ShadowFixture.create(t)
  const { active, candidate } = await fixture.pair(both, allowing('/both'))
  const { shadow } = fixture.node.kernel
  const server = await fixture.node.recordingServer()
  await asked(server, [get('/open')], 1)
  await shadow.begin(active.slot, candidate)
  assert.deepEqual(await fixture.counts(), { newDenies: 1 })
  await shadow.end()
  await shadow.end()
  assert.equal(await shadow.read(), null)
  assert.deepEqual(await asked(server, [get('/open')], 1), [200])
  await assert.rejects(shadow.begin(active.slot, { slot: 7, generation: 9 }), { code: 'shadow-unsupported' })
})

test('live maps that are older than shadows are read as they are, and say so', { skip }, async (t) => {
  const fixture = await ShadowFixture.create(t)
  const { pins, kernel } = fixture.node
  for (const name of pins.liveMaps().filter((each) => each.startsWith('shadow')))
    rmSync(`${pins.maps}/${name}`)
  const active = await fixture.activate(both)
  const candidate = await fixture.load(allowing('/both'))
  assert.equal((await kernel.inspect())?.slots.length, 2)
  await assert.rejects(kernel.shadow.begin(active.slot, candidate), { code: 'shadow-unsupported' })
  assert.equal(await kernel.shadow.read(), null)
  await kernel.shadow.end()
  const server = await fixture.node.recordingServer()
  assert.deepEqual(await asked(server, [get('/open'), get('/none')], 2), [200, 403])
})

test('on, off and flips under load lose no request and leave nothing claimed', { skip }, async (t) => {
  const fixture = await ShadowFixture.create(t)
  const { active, candidate } = await fixture.pair(both, allowing('/both'))
  const server = await fixture.node.recordingServer()
  const { kernel } = fixture.node
  let running = 24
  const client = async () => {
    for (let n = 0; n < 30; n++) {
      const sent = [get('/open') + post('/both', 'x'.repeat(n * 90)), get('/both').repeat(3)]
      assert.deepEqual(await asked(server, sent, 5), [200, 200, 200, 200, 200])
    }
    running--
  }
  const clients = Array.from({ length: running }, client)
  const turns = async () => {
    for (let turn = 0; running > 0; turn++) {
      if (turn % 3 === 2) await kernel.flip(active.slot, active.generation)
      else if (turn % 3 === 1) await kernel.shadow.end()
      await kernel.shadow.begin(active.slot, candidate)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await Promise.all([...clients, turns()])
  await kernel.shadow.end()
  assert.deepEqual(fixture.node.counters()['DENIED'] ?? 0, 0)
  await kernel.shadow.begin(active.slot, candidate)
  await asked(server, [get('/open')], 1)
  assert.deepEqual({ ...NOTHING, ...(await fixture.counts()) }, { ...NOTHING, newDenies: 1 })
  assert.equal(claimed(fixture.node), 0)
})
