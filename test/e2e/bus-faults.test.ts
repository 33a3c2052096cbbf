/**
 * A cluster of real nats-servers that breaks while a release travels: whatever breaks, every node ends with the
 * last release, and the functions know it from each of them.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { BusCluster } from '../fakes/bus-cluster.ts'
import { noServer } from '../fakes/bus-member.ts'
import { BusFleet, FLEET, type FleetOptions, MEMBERS } from '../fakes/bus-fleet.ts'
import { eventually } from '../fakes/local-delivery.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
/** No timer helps within a test: what the bus loses, the bus's adapters have to mend. */
const NEVER_MS = 3_600_000
/** A node looks by itself soon: what it was not told, it finds. */
const SOON_MS = 300
const NODES = FLEET.flatMap(({ nodes }) => nodes)
const [FIRST = '', SECOND = '', THIRD = ''] = ['nats-1', 'nats-2', 'nats-3']
/** The first ring and the functions at one server, the second ring at the others. */
const SIDES: Record<string, string[]> = { 'node-1': [SECOND], 'node-2': [THIRD] }
const PARTED = { functionsAt: [FIRST], serversOf: (node: string) => SIDES[node] ?? [FIRST] }

describe('a bus that breaks under a rollout', { skip: noServer, timeout: DEEP ? 600_000 : 120_000 }, () => {
  let directory: string
  let cluster: BusCluster
  let fleet: BusFleet
  let count = 0
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'heddle-faults-'))
    cluster = await BusCluster.start(join(directory, 'bus'), MEMBERS)
  })
  after(async () => {
    await cluster.stop()
    await rm(directory, { recursive: true, force: true })
  })
  afterEach(async () => {
    await fleet.stop()
    await cluster.mend()
  })

  const start = async (pollMs: number, places: Pick<FleetOptions, 'serversOf' | 'functionsAt'> = {}) => {
    const own = join(directory, String(count++))
    fleet = await BusFleet.start({ cluster, directory: own, pollMs, ...places })
    // Everybody is there, and has said so.
    await done(fleet.push('first'))
  }
  const done = (commit: string) =>
    eventually(`the end of ${commit}`, () => (fleet.stageOf(commit) === 'done' ? true : undefined))
  /** Right after this node's next swap, before it can say so. */
  const whenSwapped = (node: string, act: () => Promise<void> = async () => {}) =>
    new Promise<void>((resolve) => {
      fleet.swapped = (who) => {
        if (who !== node) return
        fleet.swapped = () => {}
        resolve(act())
      }
    })
  const converged = () => {
    for (const node of NODES) {
      const report = fleet.heard.findLast((each) => each.node === node)
      assert.equal(report?.generation, fleet.generationOf(node), `${node} was heard last with what it runs`)
    }
    assert.equal(new Set(NODES.map((node) => fleet.kernels.get(node)?.content.active?.generation)).size, 1)
  }

  test('the server that carries the functions is killed before the first ring can report', async () => {
    await start(NEVER_MS)
    const { carrier } = fleet
    const killed = whenSwapped('node-0', () => cluster.kill(carrier))
    const commit = fleet.push('second')
    await killed
    await done(commit)
    assert.notEqual(fleet.carrier, carrier)
    await cluster.restart(carrier)
    await done(fleet.push('third'))
    converged()
  })

  test('a node gives its report to a server that is cut off, and nothing else ever tells the node', async () => {
    await start(NEVER_MS, { functionsAt: [FIRST], serversOf: (node) => [node === 'node-1' ? SECOND : FIRST] })
    const cut = whenSwapped('node-1', async () => cluster.part([SECOND], 'closed'))
    const commit = fleet.push('second')
    await cut
    const heard = fleet.heard.length
    await eventually('the other node of the ring', () => {
      return fleet.heard.slice(heard).some(({ node }) => node === 'node-2') ? true : undefined
    })
    assert.notEqual(fleet.stageOf(commit), 'done')
    cluster.heal()
    await done(commit)
    converged()
  })

  test('the rings are parted: the second one finds its release by itself, and is heard when the wires are whole', async () => {
    await start(SOON_MS, PARTED)
    cluster.part([FIRST], 'closed')
    const before = Math.max(...NODES.map((node) => fleet.generationOf(node)))
    const commit = fleet.push('second')
    await eventually('all kernels', () =>
      NODES.every((node) => fleet.generationOf(node) > before) ? true : undefined,
    )
    assert.notEqual(fleet.stageOf(commit), 'done', 'nobody has heard the second ring')
    cluster.heal()
    await done(commit)
    converged()
  })

  test('all servers die as a node swaps, and come back empty', async () => {
    await start(NEVER_MS)
    const all = cluster.names
    const killed = whenSwapped('node-1', async () => {
      await Promise.all(all.map((name) => cluster.kill(name)))
    })
    const commit = fleet.push('second')
    await killed
    assert.notEqual(fleet.stageOf(commit), 'done')
    await Promise.all(all.map((name) => cluster.restart(name)))
    await done(commit)
    converged()
  })

  test('a wire is silent for longer than servers wait for an answer', {
    skip: !DEEP && 'HEDDLE_DEEP=1',
  }, async () => {
    await start(SOON_MS, PARTED)
    cluster.part([FIRST], 'silent')
    const commit = fleet.push('second')
    const until = performance.now() + 30_000
    await eventually('half a minute', () => (performance.now() > until ? true : undefined))
    assert.notEqual(fleet.stageOf(commit), 'done')
    cluster.heal()
    await done(commit)
    converged()
  })

  test('twenty releases, each with a server that dies or wires that are cut', {
    skip: !DEEP && 'HEDDLE_DEEP=1',
  }, async () => {
    await start(SOON_MS)
    for (let round = 0; round < 20; round++) {
      const name = cluster.names[round % 3] ?? ''
      if (round % 2 === 0) {
        const killed = whenSwapped(NODES[round % NODES.length] ?? '', () => cluster.kill(name))
        const commit = fleet.push(`release-${round}`)
        await killed
        await done(commit)
        await cluster.restart(name)
      } else {
        cluster.part([name], 'closed')
        // The first ring needs nobody but the store.
        const swapped = whenSwapped('node-0')
        const commit = fleet.push(`release-${round}`)
        await swapped
        cluster.heal()
        await done(commit)
      }
    }
    converged()
  })
})
