/** A damaged memory: what runs goes on or is closed, never open, and nothing older is taken. */
import assert from 'node:assert/strict'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { restore } from '../../../agent/confirm.ts'
import { reconcile } from '../../../agent/reconcile.ts'
import { DISPATCHER_TARGET } from '../../../pipelines/contract/object-keys.ts'
import { rowsOf } from '../../fakes/memory-kernel.ts'
import { enforcingFleet, type Fleet } from '../../fakes/node-fleet.ts'
import { tablesOf, testElf } from '../../fakes/test-elf.ts'

const DAMAGED = '{"schema":"heddle.node-'
const NO_STORE = { get: () => Promise.reject(new Error('the store is away')) }

let fleet: Fleet
beforeEach(async () => {
  fleet = await enforcingFleet()
})
afterEach(() => fleet.close())

const damage = (text = DAMAGED) => writeFile(join(fleet.directory, 'state.json'), text)
const aside = async () =>
  (await readdir(fleet.directory)).filter((name) => name.startsWith('state.json.corrupt')).sort()
const activeTables = () => {
  const { active, slots } = fleet.kernel.content
  return active === null ? null : slots[active.slot]?.tablesDigest
}

test('memory and bpffs lost, store away: the signed dispatcher is attached with nothing behind it', async () => {
  const { dispatcher } = fleet.kernel.content
  await damage()
  fleet.kernel.reboot()
  const node = await fleet.node({ store: NO_STORE })
  await restore(node)
  await reconcile(node, 0)
  assert.equal(fleet.kernel.content.dispatcher, dispatcher)
  assert.equal(fleet.kernel.content.active, null)
  const report = fleet.reports.at(-1)
  assert.equal(report?.failure?.code, 'state-corrupt')
  // Nothing is said against a release, or a rollout would be taken back for a disk.
  assert.equal(report?.outcome, 'unchanged')
})

test('memory and bpffs lost: the next pass pulls and enforces again, and the journal of it ends', async () => {
  await damage()
  fleet.kernel.reboot()
  const node = await fleet.node()
  await restore(node)
  await reconcile(node, 0)
  assert.equal(fleet.reports.at(-1)?.outcome, 'enforced')
  assert.equal(fleet.reports.at(-1)?.failure?.code, 'state-corrupt')
  assert.equal(activeTables(), tablesOf(testElf('', 'one')))
  await reconcile(node, 0)
  assert.deepEqual(fleet.reports.at(-1)?.failure, null)
})

test('memory lost, programs attached: they go on untouched until a release takes their place', async () => {
  await damage()
  const before = structuredClone(fleet.kernel.content)
  fleet.workloads.reverse()
  const away = await fleet.node({ store: NO_STORE })
  await restore(away)
  await reconcile(away, 0)
  assert.deepEqual(fleet.kernel.content, before)
  const calls = fleet.kernel.calls.length
  const report = await fleet.pass()
  assert.equal(report.outcome, 'enforced')
  assert.equal(report.generation, 2)
  // Closed before the addresses get new numbers, open to judgement after.
  const acts = fleet.kernel.calls
    .slice(calls)
    .filter((call) => /^(close|setAddresses|flip|detach)/.test(call))
  const slot = fleet.kernel.content.active?.slot ?? -1
  assert.deepEqual(acts.slice(0, 3), ['close', 'setAddresses', `flip ${slot}`])
  assert.ok(!acts.includes('detach'))
  for (const { identity } of fleet.kernel.content.addresses) {
    assert.ok(rowsOf(fleet.kernel, slot).has(identity), `identity ${identity} has rows`)
  }
})

test('an older release stays a replay, and so does another artifact under the accepted number', async () => {
  await damage()
  await fleet.published.release('canary', 4, await fleet.artifact('old'))
  assert.match(JSON.stringify((await fleet.pass()).failure), /release-replayed/)
  await fleet.published.release('canary', 5, await fleet.artifact('other'))
  assert.match(JSON.stringify((await fleet.pass()).failure), /release-replayed/)
  assert.equal(activeTables(), tablesOf(testElf('', 'one')))
})

test('metadata older than that on disk stays a rollback', async () => {
  const old = fleet.store.objects.get('tuf/timestamp.json')
  await fleet.published.release('canary', 6, await fleet.artifact('two'))
  await fleet.pass()
  await damage()
  assert.ok(old)
  fleet.store.objects.set('tuf/timestamp.json', old)
  assert.match(JSON.stringify((await fleet.pass()).failure), /metadata-rollback/)
})

test('a cached dispatcher that was changed, or that nobody signed, is not attached', async () => {
  const [release = ''] = await readdir(join(fleet.directory, 'releases'))
  const evidence = join(fleet.directory, 'releases', release)
  const good = await readFile(evidence, 'utf8')
  const parts = JSON.parse(good)
  const forged = parts.metadata.code.replace(DISPATCHER_TARGET, `${DISPATCHER_TARGET}2`)
  const attempts: [string, () => Promise<unknown>][] = [
    [
      'evidence that does not verify',
      () => writeFile(evidence, JSON.stringify({ ...parts, metadata: { ...parts.metadata, code: forged } })),
    ],
    ['evidence that is no evidence', () => writeFile(evidence, DAMAGED)],
    ['no evidence', () => rm(evidence)],
    [
      'no blobs',
      async () => {
        await writeFile(evidence, good)
        await rm(join(fleet.directory, 'blobs'), { recursive: true })
      },
    ],
  ]
  for (const [name, spoil] of attempts) {
    await spoil()
    await damage()
    fleet.kernel.reboot()
    await restore(await fleet.node({ store: NO_STORE }))
    assert.equal(fleet.kernel.content.dispatcher, null, name)
  }
})

test('the damaged file is kept as it was, once for each damage, and not without end', async () => {
  for (const text of [DAMAGED, DAMAGED, '']) {
    await damage(text)
    await fleet.node()
  }
  assert.deepEqual(await aside(), ['state.json.corrupt-1', 'state.json.corrupt-2'])
  assert.equal(await readFile(join(fleet.directory, 'state.json.corrupt-1'), 'utf8'), DAMAGED)
  for (let n = 0; n < 20; n++) {
    await damage(`damage ${n}`)
    await fleet.node()
  }
  assert.equal((await aside()).length, 8)
  assert.equal(await readFile(join(fleet.directory, 'state.json.corrupt-8'), 'utf8'), 'damage 19')
})
