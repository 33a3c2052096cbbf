import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { restore } from '../../../agent/confirm.ts'
import { reconcile } from '../../../agent/reconcile.ts'
import { rowsOf } from '../../fakes/memory-kernel.ts'
import { type Fleet, nodeFleet } from '../../fakes/node-fleet.ts'
import { tablesOf, testElf } from '../../fakes/test-elf.ts'

let fleet: Fleet
beforeEach(async () => {
  fleet = await nodeFleet()
})
afterEach(() => fleet.close())

const activeTables = () => {
  const { active, slots } = fleet.kernel.content
  return active === null ? null : slots[active.slot]?.tablesDigest
}
const tables = (content: string) => tablesOf(testElf('', content))

test('a first release is verified, loaded, flipped to and reported', async () => {
  const artifact = await fleet.artifact('one')
  await fleet.published.release('canary', 1, artifact)
  const report = await fleet.pass()
  assert.equal(report.outcome, 'enforced')
  assert.equal(report.number, 1)
  assert.equal(report.artifact, artifact)
  assert.equal(report.failure, null)
  assert.equal(activeTables(), tables('one'))
  assert.deepEqual(fleet.kernel.content.addresses, [
    { address: '10.0.0.1', identity: 1 },
    { address: '10.0.0.2', identity: 2 },
  ])
})

test('addresses are in the kernel before the first flip', async () => {
  await fleet.published.release('canary', 1, await fleet.artifact('one'))
  await fleet.pass()
  const { calls } = fleet.kernel
  assert.ok(calls.indexOf('setAddresses') < calls.findIndex((call) => call.startsWith('flip')))
})

test('the same release again changes nothing', async () => {
  await fleet.published.release('canary', 1, await fleet.artifact('one'))
  await fleet.pass()
  const calls = fleet.kernel.calls.length
  const report = await fleet.pass({})
  assert.equal(report.outcome, 'unchanged')
  assert.deepEqual(
    fleet.kernel.calls.slice(calls).filter((call) => !/^set/.test(call)),
    [],
  )
})

test('a newer release goes to another slot and keeps the predecessor', async () => {
  await fleet.published.release('canary', 1, await fleet.artifact('one'))
  await fleet.pass()
  const first = fleet.kernel.content.active
  await fleet.published.release('canary', 2, await fleet.artifact('two'))
  const report = await fleet.pass()
  assert.equal(report.generation, 2)
  assert.equal(activeTables(), tables('two'))
  assert.notEqual(fleet.kernel.content.active?.slot, first?.slot)
  assert.equal(fleet.kernel.content.slots[first?.slot ?? -1]?.tablesDigest, tables('one'))
})

test('a rollback is a higher number that names an older artifact', async () => {
  const one = await fleet.artifact('one')
  for (const [number, artifact] of [
    [1, one],
    [2, await fleet.artifact('two')],
    [3, one],
  ] as const) {
    await fleet.published.release('canary', number, artifact)
    assert.equal((await fleet.pass()).outcome, 'enforced')
  }
  assert.equal(activeTables(), tables('one'))
})

test('slots of older generations are cleared once nothing needs them', async () => {
  for (let number = 1; number <= 12; number++) {
    await fleet.published.release('canary', number, await fleet.artifact(`tables ${number}`))
    assert.equal((await fleet.pass()).outcome, 'enforced')
  }
  assert.equal(Object.keys(fleet.kernel.content.slots).length, 2)
  const node = await fleet.node()
  // Release 12 signs the dispatcher, which release 1 brought, as well.
  assert.deepEqual((await node.disk.list('releases')).sort(), ['11.json', '12.json'])
})

test('without a free slot a release waits, evicts nobody, and goes on when one is free', async () => {
  await fleet.published.release('canary', 1, await fleet.artifact('one'))
  await fleet.pass()
  fleet.kernel.busy = new Set([0, 1, 2, 3, 4, 5, 6, 7])
  await fleet.published.release('canary', 2, await fleet.artifact('two'))
  const waiting = await fleet.pass()
  assert.equal(waiting.failure?.code, 'no-free-slot')
  assert.equal(waiting.outcome, 'unchanged')
  assert.equal(waiting.number, 1)
  assert.equal(activeTables(), tables('one'))
  fleet.kernel.busy = new Set([0])
  assert.equal((await fleet.pass()).outcome, 'enforced')
  assert.equal(activeTables(), tables('two'))
})

test('what the verifier rejects is reported with its log, and the old generation goes on', async () => {
  await fleet.published.release('canary', 1, await fleet.artifact('one'))
  await fleet.pass()
  fleet.kernel.rejecting = true
  await fleet.published.release('canary', 2, await fleet.artifact('two'))
  const report = await fleet.pass()
  assert.equal(report.outcome, 'failed')
  assert.equal(report.failure?.code, 'verifier-rejected')
  assert.deepEqual(report.failure?.detail, ['line 1'])
  assert.equal(report.number, 2)
  assert.equal(activeTables(), tables('one'))
})

test('after a reboot the last generation runs again without the store', async () => {
  await fleet.published.release('canary', 1, await fleet.artifact('one'))
  await fleet.pass()
  fleet.kernel.reboot()
  const node = await fleet.node({
    store: {
      get: () => {
        throw new Error('the store must not be asked')
      },
    },
  })
  await restore(node)
  assert.equal(activeTables(), tables('one'))
  assert.equal(fleet.kernel.content.addresses.length, 2)
})

const tampered: [string, () => void][] = [
  ['the active generation was changed', () => Object.assign(fleet.kernel.content, { active: null })],
  ['the slot was emptied', () => Object.assign(fleet.kernel.content, { slots: {} })],
  [
    'the tables are others',
    () => {
      for (const slot of Object.values(fleet.kernel.content.slots)) slot.tablesDigest = tables('evil')
    },
  ],
  [
    'the program is another',
    () => {
      for (const slot of Object.values(fleet.kernel.content.slots)) slot.elf = '0'.repeat(64)
    },
  ],
  ['the dispatcher is another', () => Object.assign(fleet.kernel.content, { dispatcher: 'f'.repeat(64) })],
  ['nothing is attached', () => fleet.kernel.reboot()],
]
for (const [name, tamper] of tampered) {
  test(`attached-differs is reported and repaired when ${name}`, async () => {
    await fleet.published.release('canary', 1, await fleet.artifact('one'))
    const node = await fleet.node()
    await reconcile(node, 0)
    const { dispatcher } = fleet.kernel.content
    tamper()
    await reconcile(node, 0)
    const report = fleet.reports.at(-1)
    assert.equal(report?.failure?.code, 'attached-differs')
    assert.equal(activeTables(), tables('one'))
    assert.equal(fleet.kernel.content.dispatcher, dispatcher)
    assert.equal(fleet.kernel.content.addresses.length, 2)
    await reconcile(node, 0)
    assert.equal(fleet.reports.at(-1)?.outcome, 'unchanged')
  })
}

test('changed workloads reach the live generation without any release', async () => {
  await fleet.published.release('canary', 1, await fleet.artifact('one'))
  await fleet.pass()
  fleet.workloads = [
    { name: 'cart-1', namespace: 'shop', labels: { app: 'cart' }, addresses: ['10.0.0.9'], mode: 'auto' },
    { name: 'db-1', namespace: 'data', labels: { app: 'db' }, addresses: ['10.0.0.1'], mode: 'auto' },
  ]
  const down = { get: () => Promise.reject(new Error('down')) }
  const report = await fleet.pass({ store: down })
  assert.equal(report.failure?.code, 'store-unavailable')
  assert.deepEqual(fleet.kernel.content.addresses, [
    { address: '10.0.0.9', identity: 1 },
    { address: '10.0.0.1', identity: 3 },
  ])
  const rows = rowsOf(fleet.kernel, fleet.kernel.content.active?.slot ?? -1)
  assert.deepEqual(rows.get(1), { subject: '11', peer: '11' })
  assert.deepEqual(rows.get(3), { subject: '0', peer: '1' })
})

test('workloads that make no sense leave the kernel as it is', async () => {
  await fleet.published.release('canary', 1, await fleet.artifact('one'))
  await fleet.pass()
  const before = structuredClone(fleet.kernel.content.addresses)
  const [cart] = fleet.workloads
  if (cart !== undefined) fleet.workloads = [cart, { ...cart, name: 'twin', labels: { app: 'twin' } }]
  const report = await fleet.pass()
  assert.equal(report.failure?.code, 'schema-violation')
  assert.deepEqual(fleet.kernel.content.addresses, before)
})

test('the journal hears of a failure once, not at every look', async () => {
  await fleet.published.release('canary', 1, await fleet.artifact('one'))
  const node = await fleet.node()
  await reconcile(node, 0)
  fleet.store.objects.clear()
  for (let pass = 0; pass < 3; pass++) await reconcile(node, 0)
  assert.equal(fleet.logs.filter((line) => line.includes('store-unavailable')).length, 1)
})

test('sequences only grow, also over restarts, and the disk is spared', async () => {
  await fleet.published.release('canary', 1, await fleet.artifact('one'))
  let writes = 0
  const node = await fleet.node({
    before: (operation) => {
      if (operation === 'rename state.json') writes++
    },
  })
  await reconcile(node, 0)
  writes = 0
  for (let pass = 0; pass < 5; pass++) await reconcile(node, 0)
  assert.equal(writes, 0)
  await fleet.pass()
  const sequences = fleet.reports.map(({ sequence }) => sequence)
  assert.deepEqual(
    sequences,
    [...new Set(sequences)].sort((a, b) => a - b),
  )
})

test('a report that can not be sent is no failure', async () => {
  await fleet.published.release('canary', 1, await fleet.artifact('one'))
  const down = {
    onHint: async () => {},
    report: () => Promise.reject(new Error('down')),
    close: async () => {},
  }
  await reconcile(await fleet.node({ bus: down }), 0)
  assert.equal(activeTables(), tables('one'))
})
