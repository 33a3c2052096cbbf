/** Shadow beside the stream: packets that rules judge, and requests that are judged on their client's side. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { assign, rowsFor } from '../../../agent/identities.ts'
import type { ShadowCounts } from '../../../agent/ports.ts'
import type { Policy } from '../../../pipelines/policy/model.ts'
import { compileSet } from './artifacts.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { oneRule, until } from './one-rule.ts'
import { CALLER, OutboundFixture } from './outbound-fixture.ts'
import { POLICY, ROUTE } from './outbound-routes.ts'
import { claimed, ShadowFixture } from './shadow-fixture.ts'
import { closed } from './shadow-rows.ts'

const skip = whyNoKernel() ?? false

const PEER = `
const s = require('node:dgram').createSocket('udp4')
s.on('message', (m) => console.log(String(m)))
s.bind(0, '127.0.0.1', () => console.log(s.address().port))
`

const total = (counts: ShadowCounts) => Object.values(counts).reduce((sum, count) => sum + count, 0)

/** Counts, as soon as there are some. */
async function counted(fixture: ShadowFixture): Promise<Partial<ShadowCounts>> {
  while (total((await fixture.found()).counts) === 0) await new Promise((resolve) => setImmediate(resolve))
  return fixture.counts()
}

async function datagram(t: TestContext, fixture: ShadowFixture): Promise<string[]> {
  const child = fixture.node.spawnManaged(process.execPath, ['-e', PEER])
  const said: string[] = []
  if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => said.push(line))
  await until(() => said.length > 0)
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const dropped = () => fixture.node.counters()['DROPPED'] ?? 0
  const before = dropped()
  socket.send('hello', Number(said[0]), '127.0.0.1')
  await until(() => dropped() > before || said.length > 1)
  return said.slice(1)
}

test('a datagram that is let in comes in, whatever the candidate says; one that is dropped does not', {
  skip,
}, async (t) => {
  const fixture = await ShadowFixture.create(t)
  const open = await fixture.load(oneRule(true))
  const shut = await fixture.load(oneRule(false))
  await fixture.again(open, shut)
  assert.deepEqual(await datagram(t, fixture), ['hello'])
  assert.deepEqual(await counted(fixture), { newDenies: 1 })
  const [sample] = (await fixture.found()).samples
  assert.equal(sample?.protocol, 17)
  assert.equal(sample?.request, null)
  await fixture.again(shut, open)
  assert.deepEqual(await datagram(t, fixture), [])
  assert.deepEqual(await counted(fixture), { newAllows: 1 })
})

test('a connection that is refused stays refused, and the candidate that would have it is told', {
  skip,
}, async (t) => {
  const fixture = await ShadowFixture.create(t)
  const open = await fixture.load(oneRule())
  const shut = await fixture.load(closed())
  const server = await fixture.node.recordingServer()
  for (const [candidate, counts] of [
    [open, 'newAllows'],
    [await fixture.load(closed()), 'agree'],
  ] as const) {
    await fixture.again(shut, candidate)
    const socket = connect({ host: '127.0.0.1', port: server.port })
    let up = false
    socket.on('connect', () => {
      up = true
    })
    socket.on('error', () => {})
    assert.deepEqual(Object.keys(await counted(fixture)), [counts])
    socket.destroy()
    assert.equal(up, false)
  }
})

/** Lets in these paths, where the routes' own policy lets in all but /~… */
const only = (...paths: string[]): Policy => ({
  ...POLICY,
  allow: POLICY.allow.map((rule) => ({
    ...rule,
    http: paths.map((path) => ({ source: rule.source, path, headers: [] })),
  })),
})

test('what a client of this node calls is judged by both where it leaves', { skip }, async (t) => {
  const fixture = await OutboundFixture.create([POLICY], [ROUTE])
  t.after(() => fixture.close())
  const client = await fixture.openWarm()
  const { elf, blocks } = await compileSet({ policies: [only('/a/plain', '/~secret/x')], routes: [] })
  const { identities } = assign({ identities: [], published: [] }, [CALLER])
  await fixture.node.stage(2, elf, rowsFor(blocks, identities))
  const { shadow } = fixture.node.kernel
  await shadow.begin(1, { slot: 2, generation: 2 })
  const before = fixture.ways()
  const answers = ['/a/plain', '/b/plain', '/~secret/x', '/~from/plain', '/to-secret']
  const statuses: string[] = []
  for (const path of answers) statuses.push((await client.get(path)).slice(9, 12))
  assert.deepEqual(statuses, ['200', '200', '403', '200', '403'])
  const ways = fixture.ways()
  assert.equal(ways.KERNEL_ROUTED - before.KERNEL_ROUTED, 3)
  assert.equal(ways.KERNEL_ANSWERED - before.KERNEL_ANSWERED, 2)
  const facts = await shadow.read()
  // The first is as it was, the rewritten one as it arrives; of a refused one that was rewritten nothing is left to see.
  assert.deepEqual(facts?.counts, { agree: 2, newDenies: 1, newAllows: 1, other: 0, unseen: 1 })
  const [newest] = facts?.samples ?? []
  assert.deepEqual(newest?.request, { method: 'GET', path: '/~secret/x' })
  assert.equal(newest?.source.identity, identities[0]?.number)
  assert.equal(newest?.destination.address, '127.0.0.1')
  assert.equal(claimed(fixture.node), 0)
  await shadow.end()
  assert.match(await client.get('/a/plain'), / 200 /)
})
