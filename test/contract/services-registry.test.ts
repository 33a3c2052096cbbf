/** Nodes that tell each other of their workloads: one suite, in memory and over a real nats-server. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { connect } from '@nats-io/transport-node'
import { natsLink } from '../../agent/adapters/nats-link.ts'
import { natsRegistry } from '../../agent/adapters/nats-registry.ts'
import { openDisk } from '../../agent/disk.ts'
import type { Registry } from '../../agent/ports.ts'
import { prepareNats } from '../../infra/nats/local-server.ts'
import { announcement, inbox } from '../../pipelines/contract/subjects.ts'
import { Member } from '../../pipelines/services/announcement.ts'
import { killServer, noServer, optionsOf, shownBy, startServer } from '../fakes/bus-member.ts'
import { eventually } from '../fakes/local-delivery.ts'
import { memoryStore } from '../fakes/memory-store.ts'
import { MemoryAir } from '../fakes/memory-registry.ts'

/** Milliseconds: short, and long enough for a machine that is busy. */
const ANNOUNCE_MS = 100
const SILENT_MS = 1_500

const NODES = ['n1', 'n2', 'n3']
const members = [
  Member.parse({ node: 'n1', ranges: ['10.1.0.0/16'] }),
  Member.parse({ node: 'n2', ranges: ['10.2.0.0/16'], workloads: [{ namespace: 'shop' }] }),
]

type World = {
  join(node: string): Promise<Registry>
  cut(): Promise<void>
  mend(): Promise<void>
  close(): Promise<void>
}

async function memoryWorld(directory: string): Promise<World> {
  const air = new MemoryAir()
  return {
    join: (node) =>
      air.join({
        node,
        zone: 'east',
        members,
        disk: openDisk(join(directory, node)),
        now: () => performance.now(),
        announceMs: ANNOUNCE_MS,
        silentMs: SILENT_MS,
      }),
    cut: async () => air.set(false),
    mend: async () => air.set(true),
    close: async () => {},
  }
}

type NatsWorld = World & { url: string; shownBy(node: string): ReturnType<typeof shownBy> }

async function natsWorld(directory: string): Promise<NatsWorld> {
  const nodes = NODES.map((name) => ({ name, ring: 'canary' }))
  const prepared = await prepareNats(join(directory, 'nats'), '127.0.0.1', nodes)
  const store = memoryStore()
  await prepared.publish(store)
  let server = startServer(prepared.command)
  const url = await eventually('nats', () => prepared.url())
  const cut = () => killServer(server)
  return {
    url,
    shownBy: (node) => shownBy(prepared, store, node),
    async join(node) {
      const link = natsLink(optionsOf(prepared, store, { node, ring: 'canary', url }), () => {})
      const registry = await natsRegistry(
        {
          node,
          zone: 'east',
          members: { read: async () => members, watch: () => () => {} },
          disk: openDisk(join(directory, node)),
          clock: { now: () => Date.now(), elapsed: () => performance.now() },
          announceMs: ANNOUNCE_MS,
          silentMs: SILENT_MS,
        },
        link,
        () => {},
      )
      return { ...registry, close: () => registry.close().then(() => link.close()) }
    },
    cut,
    mend: async () => {
      server = startServer([...prepared.command, '-p', new URL(url.replace('nats:', 'http:')).port])
    },
    close: cut,
  }
}

const WORLDS: [string, (directory: string) => Promise<World>, string | false][] = [
  ['in memory', memoryWorld, false],
  ['over NATS', natsWorld, noServer],
]

function workload(name: string, address: string, namespace = 'shop') {
  return { name, namespace, labels: { app: name }, addresses: [address] }
}

async function names(registry: Registry): Promise<string> {
  const known = await registry.list()
  return known
    .map(({ name, node }) => `${name}@${node}`)
    .sort()
    .join(' ')
}

/** Waits until the registry says so. */
const says = (registry: Registry, expected: string) =>
  eventually(`«${expected}»`, async () => ((await names(registry)) === expected ? true : undefined))

for (const [where, make, skip] of WORLDS) {
  describe(`the registry ${where}`, { skip, timeout: 60_000 }, () => {
    let directory: string
    let world: World
    let joined: Registry[]
    const enter = async (node: string) => {
      const registry = await world.join(node)
      joined.push(registry)
      return registry
    }
    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'heddle-registry-'))
      world = await make(directory)
      joined = []
    })
    afterEach(async () => {
      for (const each of joined) await each.close()
      await world.close()
      await rm(directory, { recursive: true, force: true })
    })

    test('what a node has, the others know, whoever came first; what it has no more they forget', async () => {
      const [n1, n2] = [await enter('n1'), await enter('n2')]
      let told = 0
      n1.watch(() => told++)
      n2.announce([workload('cart', '10.2.0.1'), workload('web', '10.2.0.2')])
      await says(n1, 'cart@n2 web@n2')
      assert.ok(told > 0)
      const [cart] = await n1.list()
      assert.deepEqual(cart, { ...workload('cart', '10.2.0.1'), mode: 'auto', node: 'n2', zone: 'east' })
      assert.equal(await names(n2), '', 'a node does not hear itself')
      const late = await enter('n3')
      await says(late, 'cart@n2 web@n2')
      n2.announce([workload('web', '10.2.0.2')])
      await says(n1, 'web@n2')
    })

    test('nobody is believed outside of what he was enrolled for', async () => {
      const [n1, n2, n3] = [await enter('n1'), await enter('n2'), await enter('n3')]
      n3.announce([workload('stranger', '10.3.0.1')])
      n2.announce([
        workload('thief', '10.1.0.1'),
        workload('bank', '10.2.0.1', 'bank'),
        workload('cart', '10.2.0.2'),
      ])
      n1.announce([workload('web', '10.1.0.1')])
      await says(n1, 'cart@n2')
      await says(n3, 'cart@n2 web@n1')
    })

    test('who falls silent is forgotten', async () => {
      const [n1, n2] = [await enter('n1'), await enter('n2')]
      n2.announce([workload('cart', '10.2.0.1')])
      await says(n1, 'cart@n2')
      await n2.close()
      await says(n1, '')
    })

    test('while the air is away everybody is as he was, told as stale, also after a restart', async () => {
      const [n1, n2] = [await enter('n1'), await enter('n2')]
      n2.announce([workload('cart', '10.2.0.1')])
      await says(n1, 'cart@n2')
      await world.cut()
      await eventually('stale', () => (n1.stale() === 1 ? true : undefined))
      assert.equal(await names(n1), 'cart@n2')
      await n1.close()
      const again = await enter('n1')
      assert.equal(await names(again), 'cart@n2')
      n2.announce([workload('web', '10.2.0.2')])
      await world.mend()
      await says(again, 'web@n2')
      assert.equal(again.stale(), 0)
    })
  })
}

test('only a node’s own key announces for it', { skip: noServer }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-registry-'))
  const world = await natsWorld(directory)
  const n1 = await world.join('n1')
  const liar = await connect({
    servers: world.url,
    ...(await world.shownBy('n3')),
    inboxPrefix: inbox('n3'),
    reconnect: false,
  })
  try {
    const said = { schema: 'heddle.announcement/1', node: 'n2', zone: null, sequence: 1 }
    const bytes = JSON.stringify({ ...said, workloads: [workload('cart', '10.2.0.1')] })
    liar.publish(announcement('n2'), bytes)
    liar.publish(announcement('n3'), bytes)
    await liar.flush()
    const n2 = await world.join('n2')
    n2.announce([workload('web', '10.2.0.2')])
    await says(n1, 'web@n2')
    await n2.close()
  } finally {
    await liar.close()
    await n1.close()
    await world.close()
    await rm(directory, { recursive: true, force: true })
  }
})
