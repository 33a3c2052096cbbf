/** The state directory is gone while programs are attached: what is remembered of them is true, or nothing is. */
import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { sha256 } from '../../../agent/cache.ts'
import { restore } from '../../../agent/confirm.ts'
import { reconcile } from '../../../agent/reconcile.ts'
import { audit } from '../../../infra/node/audit.ts'
import { DISPATCHER_TARGET } from '../../../pipelines/contract/object-keys.ts'
import type { Report } from '../../../pipelines/contract/release.ts'
import { enforcingFleet, type Fleet } from '../../fakes/node-fleet.ts'
import { testElf } from '../../fakes/test-elf.ts'

const OLD = sha256(testElf('dispatcher', ''))
const newer = testElf('newer dispatcher', '')

let fleet: Fleet
beforeEach(async () => {
  fleet = await enforcingFleet()
})
afterEach(() => fleet.close())

async function loseDirectory(): Promise<void> {
  await rm(fleet.directory, { recursive: true })
  await mkdir(fleet.directory)
}
const signNewer = () => fleet.published.putCode({ path: DISPATCHER_TARGET, bytes: newer })
const remembered = async () => (await fleet.node()).state.current
/** As an agent's start: restore, whatever comes of it, then one pass. */
async function life(): Promise<Report> {
  const node = await fleet.node()
  await restore(node).catch(() => {})
  await reconcile(node, 0)
  const report = fleet.reports.at(-1)
  assert.ok(report)
  return report
}
const audited = async () => {
  const { state, disk, kernel, ring, pinnedRoot } = await fleet.node()
  return (await audit({ ring, pinnedRoot, state: state.current, disk, kernel })).broken
}

test('the signed dispatcher is the attached one: it is known again, and the loss is told', async () => {
  await loseDirectory()
  const report = await life()
  assert.equal(report.outcome, 'enforced')
  assert.equal(report.failure?.code, 'state-corrupt')
  assert.match(report.failure?.message ?? '', /remembers nothing, but programs are attached/)
  const { dispatcher } = await remembered()
  assert.equal(dispatcher?.digest, OLD)
  assert.equal(await audited(), null)
  assert.equal((await life()).failure, null)
})

test('another dispatcher is signed than the attached one: it takes its place, and the other is not claimed to be known', async () => {
  await signNewer()
  await loseDirectory()
  fleet.kernel.content.sockets = 2
  const report = await life()
  assert.equal(report.outcome, 'enforced')
  assert.equal((await remembered()).dispatcher?.digest, sha256(newer))
  assert.deepEqual((await remembered()).draining, [])
  assert.deepEqual(fleet.kernel.content.draining, { [OLD.slice(7)]: 2 })
  assert.match((await audited())?.message ?? '', /reads 2 sockets, and is not known/)
  fleet.kernel.content.draining[OLD.slice(7)] = 0
  await life()
  assert.equal(await audited(), null)
})

test('what is attached does not say its ABI: nothing is loaded behind it, and the command is named', async () => {
  await loseDirectory()
  Object.assign(fleet.kernel.content, { abi: null })
  const before = structuredClone(fleet.kernel.content)
  for (let lives = 0; lives < 2; lives++) {
    const report = await life()
    assert.deepEqual(fleet.kernel.content, before, 'what runs goes on, untouched')
    // Nothing is said against a release: it waits for a person.
    assert.equal(report.outcome, 'unchanged')
    const text = JSON.stringify(report.failure)
    assert.match(text, /dispatcher-unknown/)
    assert.match(text, /heddle node detach --yes --config/)
    assert.equal((await remembered()).dispatcher, null)
  }
  await fleet.kernel.detach()
  assert.equal((await life()).outcome, 'enforced')
  assert.equal(await audited(), null)
})

test('a damaged memory knows two dispatchers: the attached one is remembered, and the other as draining', async () => {
  await signNewer()
  await fleet.published.release('canary', 6, await fleet.artifact('two'))
  fleet.kernel.content.sockets = 1
  await fleet.pass()
  const damage = () => writeFile(join(fleet.directory, 'state.json'), 'damaged')
  await damage()
  await restore(await fleet.node())
  assert.equal((await remembered()).dispatcher?.digest, sha256(newer))
  assert.deepEqual(
    (await remembered()).draining.map(({ digest }) => digest),
    [OLD],
  )
  // Programs that are not what the pin's name says are nobody's.
  await damage()
  Object.assign(fleet.kernel.content, { forged: 'f'.repeat(64) })
  await restore(await fleet.node())
  assert.equal((await remembered()).dispatcher, null)
})

test('programs under the pins of a remembered dispatcher that are not its own are an alarm, and not remembered', async () => {
  const { dispatcher } = await remembered()
  Object.assign(fleet.kernel.content, { forged: 'f'.repeat(64) })
  const report = await life()
  assert.equal(report.outcome, 'failed')
  assert.match(JSON.stringify(report.failure), /attached-differs/)
  assert.deepEqual((await remembered()).dispatcher, dispatcher)
})
