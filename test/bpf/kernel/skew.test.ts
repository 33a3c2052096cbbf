/**
 * Skew: agent and relay of one ABI on the live maps of another, one step apart, in both directions, and back. Real
 * programs of both ABIs, real builds of both agents, one node, connections that live through all of it.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { AttachedFacts } from '../../../agent/ports.ts'
import { type BpfMap, u32 } from '../../../agent/adapters/libbpf.ts'
import { Abi, ActiveLayout, NodeLayout } from '../../../bpf/abi/heddle.gen.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { NEXT_ABI, type NextAbi, nextAbi } from './next-abi.ts'
import { relayArtifact, type RelayArtifact } from './relay-artifact.ts'
import { type Client, RelayFixture } from './relay-fixture.ts'
import { SERVERS, type ServerKind } from './relay-servers.ts'

const NODE = SERVERS[0] as ServerKind
const OURS = fileURLToPath(new URL('../../../', import.meta.url))
/** Connections at rest beside the one that is looked for: records are read one behind the other. */
const OTHERS = 5
const DEEP = process.env['HEDDLE_DEEP'] === '1'
const ADDRESSES = ['127.0.0.1', '::1']

type Said = { speaks: number; busyBefore: number[]; facts: AttachedFacts }

let next: NextAbi
before(() => {
  if (whyNoKernel() === undefined) next = nextAbi()
})
after(() => next?.remove())

/** The agent of this build takes a release on the node. */
function take(dist: string, { node, artifact }: RelayFixture, generation: number): Said {
  const elf = join(node.directory, 'inbound.o')
  writeFileSync(elf, artifact.inbound)
  const [row] = artifact.rows
  const hex = (words: readonly bigint[] = []) => words.map((word) => BigInt.asUintN(64, word).toString(16))
  const file = join(node.directory, 'agent.json')
  const { bpffs, cgroup } = node
  const rows = { subject: hex(row?.subject), peer: hex(row?.peer) }
  const slot = generation % 2
  writeFileSync(file, JSON.stringify({ bpffs, cgroup, elf, slot, generation, addresses: ADDRESSES, ...rows }))
  const said = execFileSync(process.execPath, [join(dist, 'test/bpf/kernel/skew-child.js'), file])
  return JSON.parse(said.toString()) as Said
}

/** A request on a connection that is kept. */
async function served(client: Client): Promise<void> {
  client.text = ''
  client.get('/public')
  await client.until(() => client.text.includes(' 200 ') && client.text.endsWith('ok'))
}

/** One agent's turn: it flips, its relay ends what is refused, and what an older agent let in goes on. */
async function turn(
  fixture: RelayFixture,
  dist: string,
  abi: { agent: number; maps: number; generation: number },
) {
  const { node } = fixture
  const { port } = await NODE.start(node)
  const held = await fixture.client(port)
  await served(held)
  const slow = await fixture.client(port)
  slow.socket.write('GET /public HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf')
  await slow.until(() => / 200 /.test(slow.text))
  const said = take(dist, fixture, abi.generation)
  assert.equal(said.speaks, abi.agent)
  assert.equal(said.facts.abi, abi.maps)
  assert.deepEqual(said.facts.active, { slot: abi.generation % 2, generation: abi.generation })
  assert.deepEqual(said.busyBefore, [(abi.generation + 1) % 2], 'the upload holds the slot before')

  const others: Client[] = []
  for (let i = 0; i < OTHERS; i++) others.push(await fixture.client(port))
  await fixture.startRelay(join(dist, 'agent/relay/main.js'))
  await fixture.until(({ draining }) => draining.held === 1)
  slow.socket.write('other6')
  await fixture.until(({ draining }) => draining.held === 0)
  await served(held)
  const refused = await fixture.client(port)
  const from = refused.socket.localPort
  refused.get('/secret')
  await refused.until(() => refused.end !== undefined)
  assert.match(refused.text, / 403 /)
  await fixture.until(({ endings, pending }) => (endings['afterReply'] ?? 0) > 0 && pending.ending === 0)
  const { counters, events } = await fixture.stats()
  assert.ok((counters['ALLOWED'] ?? 0) > 0 && (counters['DENIED'] ?? 0) > 0, 'counters are read')
  assert.equal(events.unknown, 0)
  const ended = fixture.journal().at(-1)
  assert.equal(ended?.['reason'], 'DENIED')
  assert.equal(ended?.['connection'], `127.0.0.1|${from} > 127.0.0.1|${port}`)
  await fixture.stopRelay('SIGTERM')
  await served(held)
  for (const client of [held, slow, ...others]) client.socket.destroy()
}

async function onMaps(maps: number, artifact: RelayArtifact): Promise<void> {
  const fixture = await RelayFixture.create(artifact)
  try {
    // RelayFixture has installed and flipped to generation 1 in slot 0 by our own build.
    await turn(fixture, next.dist, { agent: NEXT_ABI, maps, generation: 3 })
    await turn(fixture, OURS, { agent: Abi.ABI, maps, generation: 4 })
    if (DEEP) await turn(fixture, next.dist, { agent: NEXT_ABI, maps, generation: 5 })
  } finally {
    await fixture.close()
  }
}

describe('skew', { skip: whyNoKernel() }, () => {
  test('maps of our ABI: the next agent takes over from ours, and is rolled back to it', () =>
    onMaps(Abi.ABI, relayArtifact()))

  test('maps of the next ABI: our agent made them, the next one takes over, and is rolled back to it', () =>
    onMaps(NEXT_ABI, relayArtifact(next.root)))

  test('an older agent writes zeroes where it knows nothing, and leaves what it only passes by', async () => {
    const fixture = await RelayFixture.create(relayArtifact(next.root))
    try {
      const { node } = fixture
      node.withMap('active', (map) => {
        const word = map.lookup(u32(0), ActiveLayout.bytes)
        assert.ok(word && map.valueBytes > word.length)
        // What stands behind our value in memory is not part of it.
        const [key, memory] = [u32(0), Buffer.alloc(2 * map.valueBytes, 0xff)]
        word.copy(memory)
        map.update(key, memory.subarray(0, word.length))
        assert.deepEqual(map.lookup(key, map.valueBytes), Buffer.concat([word], map.valueBytes))
      })
      const knob = (map: BpfMap) => map.lookup(u32(0), map.valueBytes) ?? Buffer.alloc(0)
      node.withMap('node', (map) => {
        const value = knob(map)
        value.writeUInt32LE(7, NodeLayout.bytes)
        map.update(u32(0), value)
      })
      const epoch = () => node.withMap('node', knob).readUInt32LE(NodeLayout.fields.epoch.at)
      const before = epoch()
      await node.kernel.setAddresses(ADDRESSES.map((address) => ({ address, identity: 1 })))
      assert.equal(epoch(), before + 1)
      assert.equal(node.withMap('node', knob).readUInt32LE(NodeLayout.bytes), 7)
    } finally {
      await fixture.close()
    }
  })

  test('another key is another map: it is refused by name and not read past its end', async () => {
    const fixture = await RelayFixture.create(relayArtifact())
    try {
      fixture.node.withMap('conns', (map) => {
        const longer = Buffer.alloc(16)
        for (const use of [
          () => map.lookup(longer, 8),
          () => map.update(longer, longer),
          () => map.delete(longer),
        ])
          assert.throws(use, { code: 'abi-mismatch' })
        assert.throws(() => [...map.keys(16, 1)], { code: 'abi-mismatch' })
      })
    } finally {
      await fixture.close()
    }
  })
})
