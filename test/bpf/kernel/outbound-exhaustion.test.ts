/**
 * Live maps of the client side filled to their last entry: what is new goes by way of the relay or is reset,
 * what is known goes on, and a count says so. What the agent writes has its rows in test/unit/agent.
 */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { ClientLayout, Limit, PoolLayout } from '../../../bpf/abi/heddle.gen.ts'
import { u32, u64 } from '../../../agent/adapters/libbpf.ts'
import { fillSockets, fillUp } from './full-maps.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { OutboundFixture } from './outbound-fixture.ts'

const skip = whyNoKernel()

async function fixture(t: TestContext): Promise<OutboundFixture> {
  const node = await OutboundFixture.create()
  t.after(() => node.close())
  return node
}

async function counted(node: OutboundFixture) {
  const { complaints, outbound } = await node.stats()
  const { connections, requests } = outbound as Record<string, Record<string, number>>
  const sum = Object.values(requests ?? {}).reduce((total, count) => total + count, 0)
  return { complaints: Number(complaints), turnedAway: connections?.['turnedAway'] ?? 0, requests: sum }
}

describe('outbound maps that are full', { skip, concurrency: false }, () => {
  for (const [name, keyBytes, value] of [
    ['clients', 8, Buffer.alloc(ClientLayout.bytes)],
    ['client_names', 20, u64(0n)],
  ] as const)
    it(`${name}: a new client is reset and counted, one that is known goes on in the kernel`, async (t) => {
      const node = await fixture(t)
      const old = await node.openWarm()
      const keys = node.node.withMap(name, (map) => fillUp(map, Limit.MAX_CLIENTS, keyBytes, value))
      const late = await node.open()
      await late.until(() => late.closed)
      assert.deepEqual([late.text, late.end], ['', undefined])
      assert.equal((await counted(node)).turnedAway, 1)
      const before = node.ways().KERNEL_ROUTED
      assert.match(await old.get('/a/plain'), /^HTTP\/1.1 200 /)
      assert.equal(node.ways().KERNEL_ROUTED, before + 1)
      node.node.withMap(name, (map) => {
        for (const key of keys) map.delete(key)
      })
      await node.openWarm()
    })

  it('sockets: the relay serves a new client, one that is known goes on in the kernel', async (t) => {
    const node = await fixture(t)
    const old = await node.openWarm()
    const used = node.node.withMap('sockets', (map) => [...map.keys(8, 2 * Limit.MAX_CONNS)].length)
    const empty = await fillSockets(node.node.pins.map('sockets'), 2 * Limit.MAX_CONNS - used)
    t.after(empty)
    const before = await counted(node)
    const late = await node.open()
    assert.match(await late.get('/a/plain'), /^HTTP\/1.1 200 /)
    assert.match(await late.get('/b/plain'), /^HTTP\/1.1 200 /)
    assert.equal((await counted(node)).requests, before.requests + 2)
    const routed = node.ways().KERNEL_ROUTED
    assert.match(await old.get('/a/plain'), /^HTTP\/1.1 200 /)
    assert.equal(node.ways().KERNEL_ROUTED, routed + 1)
  })

  it('pools: the relay serves what has none, and complains', async (t) => {
    const node = await fixture(t)
    node.node.withMap('pools', (map) => fillUp(map, Limit.MAX_POOLS, 8, Buffer.alloc(PoolLayout.bytes)))
    const late = await node.open()
    assert.match(await late.get('/a/plain'), /^HTTP\/1.1 200 /)
    assert.match(await late.get('/b/plain'), /^HTTP\/1.1 200 /)
    assert.ok(node.ways().SLOW_POOL > 0)
    assert.ok((await counted(node)).complaints > 0)
  })

  it('relayed: what the relay can not announce to its server is answered with 503, and it complains', async (t) => {
    const node = await fixture(t)
    const keys = node.node.withMap('relayed', (map) => fillUp(map, Limit.MAX_CONNS, 36, u32(1)))
    const late = await node.open()
    assert.match(await late.get('/a/plain'), /^HTTP\/1.1 503 /)
    assert.ok((await counted(node)).complaints > 0)
    node.node.withMap('relayed', (map) => {
      for (const key of keys) map.delete(key)
    })
    await node.openWarm()
  })
})
