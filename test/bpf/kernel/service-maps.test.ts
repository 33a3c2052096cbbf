/**
 * The maps of services in the real kernel: what is stored is what is read, and a dispatcher that brings maps to
 * a node whose first dispatcher had none of them leaves them pinned, wherever it is killed.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { BpfMap, u32, u64 } from '../../../agent/adapters/libbpf.ts'
import { sha256 } from '../../../agent/cache.ts'
import type { OutboundContent, ServiceWish } from '../../../agent/ports.ts'
import { nothingRests } from '../../../agent/service-runs.ts'
import { storesFor } from '../../../agent/service-stores.ts'
import { Limit, PoolKeyLayout, ServiceLayout, UpstreamLayout, Use } from '../../../bpf/abi/heddle.gen.ts'
import { dispatcherElf } from './artifacts.ts'
import { KernelFixture, whyNoKernel } from './kernel-fixture.ts'
import { oneRule } from './one-rule.ts'
import { otherSources } from './other-sources.ts'

const BROUGHT = 'service_addresses'

const wishes: ServiceWish[] = [
  {
    number: 1,
    addresses: [
      { address: '10.96.0.1', port: 80 },
      { address: 'fd00:0:0:0:0:0:0:1', port: 65535 },
    ],
    endpoints: [
      { address: '10.0.0.1', port: 8080, local: true, weight: 1 },
      { address: 'fd00:0:0:0:0:0:0:2', port: 1, local: false, weight: 1_000_000 },
    ],
    local: 1,
    zone: 2,
  },
  { number: Limit.MAX_SERVICES - 1, addresses: [], endpoints: [], local: 0, zone: 0 },
]

async function content(node: KernelFixture): Promise<OutboundContent> {
  const read = await node.kernel.outbound.read()
  assert.ok(read)
  return read
}

async function publish(node: KernelFixture, wished: ServiceWish[]): Promise<number> {
  const stores = storesFor(await content(node), wished, nothingRests(), 0)
  for (const store of stores) await node.kernel.outbound.write(store)
  return stores.length
}

describe('maps of services', { skip: whyNoKernel() }, () => {
  let node: KernelFixture
  before(async () => {
    node = await KernelFixture.create(await dispatcherElf())
  })
  after(() => node?.close())

  test('what is stored is what is read', async () => {
    const empty = await content(node)
    assert.deepEqual([empty.addresses, empty.services.size, empty.endpoints.size], [[], 0, 0])
    assert.equal(empty.served, true)
    await publish(node, wishes)
    const { addresses, services, members, endpoints } = await content(node)
    const [first] = wishes
    assert.deepEqual(
      addresses.toSorted((a, b) => a.port - b.port),
      first?.addresses.map((each) => ({ ...each, service: 1 })),
    )
    assert.deepEqual([...services], [[1, { first: 0, count: 2, local: 1, zone: 2 }]])
    assert.deepEqual([members[0], members[1], members[2]], [1, 2, 0])
    assert.deepEqual([...endpoints.values()], first?.endpoints)
    assert.equal(await publish(node, wishes), 0, 'nothing is left to do')
    await publish(node, [])
    assert.deepEqual((await content(node)).addresses, [])
  })

  test('all of a full node is read, and how long that takes', async (t) => {
    // Two are left from before.
    const endpoints = Array.from({ length: Limit.MAX_ENDPOINTS - 3 }, (_, index) => ({
      address: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
      port: 80,
      local: false,
      weight: 1,
    }))
    const all = { number: 1, addresses: [], endpoints, local: 0, zone: 0 }
    const services = Array.from({ length: 4000 }, (_, index) => ({
      number: index + 2,
      addresses: [{ address: `10.96.${index >> 8}.${index & 255}`, port: 80 }],
      endpoints: endpoints.slice(index, index + 8),
      local: 0,
      zone: 0,
    }))
    let began = performance.now()
    const stores = await publish(node, [all, ...services])
    const stored = performance.now() - began
    began = performance.now()
    const read = await content(node)
    t.diagnostic(
      `${stores} stores ${stored.toFixed(0)} ms, read ${(performance.now() - began).toFixed(1)} ms`,
    )
    assert.deepEqual([read.services.size, read.endpoints.size, read.addresses.length], [4001, 16383, 4000])
    assert.equal(await publish(node, [all, ...services]), 0)
    await publish(node, [])
  })

  test('pools, connections of the relay and clients name numbers', async () => {
    node.withMap('pools', (map) => {
      const key = Buffer.alloc(PoolKeyLayout.bytes)
      key.writeUInt32LE(7, PoolKeyLayout.fields.endpoint.at)
      map.update(key, Buffer.alloc(map.valueBytes))
    })
    node.withMap('upstreams', (map) => {
      const value = Buffer.alloc(map.valueBytes)
      value.writeUInt32LE(9, UpstreamLayout.fields.endpoint.at)
      map.update(u32(3), value)
      value.writeUInt32LE(8, UpstreamLayout.fields.endpoint.at)
      value.writeUInt32LE(Use.USE_OPENING, UpstreamLayout.fields.use.at)
      map.update(u32(4), value)
    })
    const { services, endpoints } = await node.kernel.outbound.references()
    assert.deepEqual([[...services], [...endpoints].sort()], [[], [7, 8]])
  })

  test('a cgroup is known by the inode of its directory, and is forgotten', async () => {
    const { outbound } = node.kernel
    const directory = join(node.cgroup, 'cart')
    mkdirSync(directory)
    try {
      const ids = await outbound.cgroupIds(['cart', 'not-there'])
      assert.deepEqual([...ids], [['cart', statSync(directory, { bigint: true }).ino]])
      const id = ids.get('cart') ?? 0n
      const held = () => node.withMap('cgroups', (map) => map.lookup(u64(id), 4)?.readUInt32LE())
      await outbound.setCgroups([{ id, identity: 5 }])
      assert.equal(held(), 5)
      await outbound.setCgroups([{ id: 1n, identity: 6 }])
      assert.equal(held(), undefined)
    } finally {
      rmdirSync(directory)
    }
  })
})

describe('maps that a later dispatcher brings', { skip: whyNoKernel() }, () => {
  /** `old` has a private map where `now` has a live one. */
  let elves: Record<'old' | 'now', Uint8Array>
  let oldArtifact: Uint8Array
  let node: KernelFixture
  before(async () => {
    const hide = `#define ${BROUGHT} own_${BROUGHT}\n`
    const before = '#include "../lib/platform.h"\n'
    const sources = otherSources([{ file: 'maps/outbound.h', from: before, to: `${before}${hide}` }])
    try {
      elves = { old: await sources.compiler.dispatcher(), now: await dispatcherElf() }
      oldArtifact = (await sources.compiler.compile(oneRule())).elf
    } finally {
      sources.remove()
    }
  })
  beforeEach(begin)
  afterEach(() => node.close())
  async function begin(): Promise<void> {
    node = await KernelFixture.create(elves.old)
    for (const [name, elf] of Object.entries(elves)) writeFileSync(file(name), elf)
  }
  const file = (name: string) => join(node.directory, `${name}.elf`)

  /** The attached dispatcher's own map is the one that everybody finds. */
  function checkShared(when: string): void {
    const key = Buffer.alloc(ServiceLayout.bytes, 1)
    node.withMap(BROUGHT, (map) => map.update(key, u32(9)))
    const own = BpfMap.pinned(join(node.pins.dispatcher(sha256(elves.now)).maps, BROUGHT))
    try {
      assert.equal(own.lookup(key, 4)?.readUInt32LE(), 9, when)
    } finally {
      own.close()
    }
    node.withMap(BROUGHT, (map) => map.delete(key))
  }

  test('are pinned with it; a rollback leaves them, and says that they are not served', async () => {
    assert.equal(await node.kernel.outbound.read(), null)
    await node.kernel.outbound.setCgroups([{ id: 1n, identity: 1 }])
    await node.kernel.install(file('now'))
    assert.equal((await content(node)).served, true)
    checkShared('after the change')
    await publish(node, wishes)
    // Neither an older artifact nor the older dispatcher has all the maps that are there by now.
    await node.stage(2, oldArtifact, [])
    await node.kernel.install(file('old'))
    const { served, services } = await content(node)
    assert.deepEqual([served, services.size], [false, 1])
    await node.kernel.install(file('now'))
    assert.equal((await content(node)).served, true)
    assert.equal((await content(node)).services.size, 1, 'what was there is there')
    checkShared('after the way there and back')
  })

  test('kill -9 between any two acts: the next start finds them or brings them', async () => {
    const child = new URL('./install-child.js', import.meta.url).pathname
    let [died, deaths] = [true, 0]
    for (let acts = 0; died; acts++) {
      const args = [child, node.bpffs, node.cgroup, file('now'), String(acts)]
      const { signal, status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
      died = signal === 'SIGKILL'
      assert.ok(died || status === 0, stderr)
      if (died) deaths++
      await node.kernel.install(file('now'))
      checkShared(`killed before act ${acts}`)
      // To where it began, with the map away again.
      await node.close()
      await begin()
    }
    // Load, pin, show, and the programs.
    assert.ok(deaths > 5, `${deaths}`)
  })
})
