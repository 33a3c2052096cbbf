import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { openDisk } from '../../../agent/disk.ts'
import { KnownNodes, REGISTRY_FILE, SILENT_MS } from '../../../agent/known-nodes.ts'
import { announcedOf } from '../../../agent/known-workloads.ts'
import { reconcile } from '../../../agent/reconcile.ts'
import { MAX_ANNOUNCEMENT_BYTES, Member } from '../../../pipelines/services/announcement.ts'
import { Service } from '../../../pipelines/services/model.ts'
import { silentRegistry } from '../../../agent/adapters/silent-registry.ts'
import { enforcingFleet } from '../../fakes/node-fleet.ts'

let directory: string
let known: KnownNodes
const open = (now: number) => KnownNodes.open(openDisk(directory), now)
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-registry-'))
  known = await open(0)
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const members = ['n2', 'n3'].map((node) => Member.parse({ node, ranges: ['10.0.0.0/8'] }))
function says(node: string, sequence: number, address = '10.1.0.1', fields: object = {}): Buffer {
  const workloads = [{ name: `of-${node}`, namespace: 'shop', labels: {}, addresses: [address] }]
  const text = JSON.stringify({
    schema: 'heddle.announcement/1',
    node,
    zone: null,
    sequence,
    workloads,
    ...fields,
  })
  return Buffer.from(text)
}
const addresses = (nodes = known) =>
  [...nodes.judged(members).values()].flatMap(({ accepted }) => accepted.flatMap((each) => each.addresses))

describe('other nodes', () => {
  test('are what they said last; the same again is no change', () => {
    assert.deepEqual(known.hear('n2', says('n2', 1), 0), { changed: true })
    assert.deepEqual(known.hear('n2', says('n2', 2), 1), { changed: false })
    assert.deepEqual(known.hear('n2', says('n2', 3, '10.1.0.2'), 2), { changed: true })
    assert.deepEqual(addresses(), ['10.1.0.2'])
  })

  const REFUSED: [string, Buffer, RegExp][] = [
    ['what is no JSON', Buffer.from('{'), /no announcement/],
    ['what is no announcement', Buffer.from('{}'), /no announcement/],
    [
      'what is too long',
      Buffer.from(`${says('n2', 9)}`.padEnd(MAX_ANNOUNCEMENT_BYTES + 1)),
      /no announcement/,
    ],
    ['what speaks for another node', says('n3', 9), /speaks for n3/],
    ['what is as old as what was heard', says('n2', 5, '10.6.6.6'), /not newer/],
    ['what is older', says('n2', 4, '10.6.6.6'), /not newer/],
  ]
  for (const [what, bytes, why] of REFUSED) {
    test(`${what} is refused and changes nothing`, () => {
      known.hear('n2', says('n2', 5), 0)
      const heard = known.hear('n2', bytes, 1)
      assert.ok('refused' in heard)
      assert.match(heard.refused, why)
      assert.deepEqual(addresses(), ['10.1.0.1'])
    })
  }

  test('are gone when they fall silent; who speaks stays', () => {
    known.online(0)
    known.hear('n2', says('n2', 1), 0)
    known.hear('n3', says('n3', 1, '10.1.0.3'), 0)
    known.hear('n3', says('n3', 2, '10.1.0.3'), SILENT_MS)
    assert.equal(known.forgetSilent(SILENT_MS), false)
    assert.equal(known.forgetSilent(SILENT_MS + 1), true)
    assert.deepEqual(addresses(), ['10.1.0.3'])
  })

  test('stay as they were while nobody can be heard, and are told as stale; afterwards they have their time again', () => {
    known.online(0)
    known.hear('n2', says('n2', 1), 0)
    known.offline(10)
    known.offline(SILENT_MS)
    assert.equal(known.forgetSilent(9 * SILENT_MS), false)
    assert.deepEqual([known.stale(10 + SILENT_MS), known.stale(11 + SILENT_MS)], [0, 1])
    known.online(9 * SILENT_MS)
    assert.equal(known.stale(9 * SILENT_MS), 0)
    assert.equal(known.forgetSilent(10 * SILENT_MS), false)
    assert.equal(known.forgetSilent(10 * SILENT_MS + 1), true)
  })

  test('are known after a restart, also without a bus; who had an address first still has it', async () => {
    known.hear('n3', says('n3', 1), 0)
    known.hear('n2', says('n2', 1), 0)
    await known.keep()
    const again = await open(1_000)
    assert.deepEqual(
      [...again.judged(members)].map(([node, { accepted }]) => [node, accepted.length]),
      [
        ['n3', 1],
        ['n2', 0],
      ],
    )
    again.online(1_000)
    assert.equal(again.forgetSilent(1_000 + SILENT_MS), false)
    assert.equal(again.forgetSilent(1_001 + SILENT_MS), true)
  })

  test('are heard again when what was kept of them is damaged', async () => {
    await writeFile(join(directory, REGISTRY_FILE), '{')
    assert.deepEqual(addresses(await open(0)), [])
  })

  test('an address is free for another node once its holder says so', () => {
    known.hear('n2', says('n2', 1), 0)
    known.hear('n3', says('n3', 1), 0)
    known.hear('n2', says('n2', 2, '10.1.0.2'), 1)
    const [n2, n3] = [...known.judged(members).values()]
    assert.deepEqual([n2?.accepted[0]?.addresses, n3?.accepted[0]?.addresses], [['10.1.0.2'], ['10.1.0.1']])
  })
})

describe('a node', () => {
  const workload = { name: 'a', namespace: 'shop', labels: { app: 'a' }, mode: 'auto' as const }

  test('announces its own workloads by addresses that others can reach', () => {
    const own = [
      { ...workload, addresses: ['10.0.0.1', '127.0.0.1', '::1', '127.9.9.9'], cgroup: 'shop/a' },
      { ...workload, name: 'b', addresses: ['127.0.0.1'] },
      { ...workload, name: 'c', addresses: ['10.0.0.3'], node: 'n9' },
      { ...workload, name: 'd', addresses: ['10.0.0.4'], node: 'n1' },
    ]
    assert.deepEqual(announcedOf(own, 'n1'), [
      { name: 'a', namespace: 'shop', labels: { app: 'a' }, addresses: ['10.0.0.1'] },
      { name: 'd', namespace: 'shop', labels: { app: 'a' }, addresses: ['10.0.0.4'] },
    ])
  })

  test('serves and identifies what others announce, but never in the place of its own; stale ones are reported', async (t) => {
    const fleet = await enforcingFleet()
    t.after(() => fleet.close())
    fleet.services = [
      Service.parse({ namespace: 'shop', name: 'cart', ports: [{ port: 80 }], selector: { app: 'cart' } }),
    ]
    const remote = { ...workload, labels: { app: 'cart' }, node: 'n2' }
    let stale = 0
    const announced: unknown[] = []
    const registry = {
      ...silentRegistry,
      announce: (workloads: unknown) => announced.push(workloads),
      list: async () => [
        { ...remote, name: 'far', addresses: ['10.9.0.1'] },
        { ...remote, name: 'thief', addresses: ['10.9.0.2', '10.0.0.2'] },
        { ...remote, name: 'cart-1', addresses: ['10.9.0.3'] },
      ],
      stale: () => stale,
    }
    await reconcile(await fleet.node({ registry }), 0)
    assert.deepEqual(announced.length, 1)
    const { outbound, addresses } = fleet.kernel.content
    assert.deepEqual(
      Object.values(outbound?.endpoints ?? {}).map(({ address, local }) => [address, local]),
      [
        ['10.0.0.1', true],
        ['10.9.0.1', false],
      ],
    )
    assert.deepEqual(
      addresses.map(({ address }) => address),
      ['10.0.0.1', '10.0.0.2', '10.9.0.1'],
    )
    stale = 3
    await reconcile(await fleet.node({ registry }), 0)
    const report = fleet.reports.at(-1)
    assert.deepEqual([report?.outcome, report?.failure?.code], ['unchanged', 'bus-unavailable'])
  })
})
