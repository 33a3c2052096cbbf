/** One dispatcher takes another's place: beside it, by a release, forwards and back, and each is accounted for. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { restore } from '../../../agent/confirm.ts'
import { audit } from '../../../infra/node/audit.ts'
import { DISPATCHER_TARGET, hexOf } from '../../../pipelines/contract/object-keys.ts'
import { sha256 } from '../../../agent/cache.ts'
import { type Fleet, nodeFleet } from '../../fakes/node-fleet.ts'
import { testElf } from '../../fakes/test-elf.ts'

const OLD = testElf('dispatcher', '')
const NEW = testElf('newer dispatcher', '')
/** Milliseconds, more than a replaced dispatcher rests. */
const A_WHILE = 5_000
const hex = (elf: Uint8Array) => hexOf(sha256(elf))

let fleet: Fleet
let number = 0
beforeEach(async () => {
  fleet = await nodeFleet()
  number = 0
  assert.equal((await release(OLD)).outcome, 'enforced')
})
afterEach(() => fleet.close())

/** The code key signs this dispatcher, and the director a release. */
async function release(dispatcher: Uint8Array) {
  number++
  await fleet.published.putCode({ path: DISPATCHER_TARGET, bytes: dispatcher })
  await fleet.published.release('canary', number, await fleet.artifact(`tables ${number}`))
  return fleet.pass()
}

const state = async () => (await fleet.node()).state.current
const kernel = () => fleet.kernel.content

async function audited() {
  const { state, disk, kernel, ring, pinnedRoot } = await fleet.node()
  return (await audit({ ring, pinnedRoot, state: state.current, disk, kernel })).broken
}

test('a newer one takes new connections, the old one keeps its own, and goes when they are gone', async () => {
  kernel().sockets = 3
  assert.equal((await release(NEW)).outcome, 'enforced')
  assert.equal(kernel().dispatcher, hex(NEW))
  assert.deepEqual(kernel().draining, { [hex(OLD)]: 3 })
  const { dispatcher, draining } = await state()
  assert.equal(dispatcher?.digest, sha256(NEW))
  assert.deepEqual(
    draining.map(({ digest, since }) => ({ digest, since })),
    [{ digest: sha256(OLD), since: fleet.clock.now().getTime() }],
  )
  // Both signatures stay provable while both run.
  assert.equal(await audited(), null)
  fleet.clock.advance(A_WHILE)
  await fleet.pass()
  assert.deepEqual(kernel().draining, { [hex(OLD)]: 3 })
  kernel().draining[hex(OLD)] = 0
  await fleet.pass()
  assert.deepEqual(kernel().draining, {})
  assert.deepEqual((await state()).draining, [])
  assert.equal(await audited(), null)
})

test('one without connections rests for a moment before it goes', async () => {
  await release(NEW)
  assert.deepEqual(kernel().draining, { [hex(OLD)]: 0 })
  fleet.clock.advance(A_WHILE)
  await fleet.pass()
  assert.deepEqual(kernel().draining, {})
})

test('a rollback is a newer release with the older dispatcher; it may still be draining', async () => {
  kernel().sockets = 2
  await release(NEW)
  kernel().sockets = 5
  assert.equal((await release(OLD)).outcome, 'enforced')
  assert.equal(kernel().dispatcher, hex(OLD))
  assert.equal(kernel().sockets, 2)
  assert.deepEqual(kernel().draining, { [hex(NEW)]: 5 })
  assert.deepEqual(
    (await state()).draining.map(({ digest }) => digest),
    [sha256(NEW)],
  )
  assert.equal(await audited(), null)
})

test('one that the verifier rejects changes nothing, and says so', async () => {
  fleet.kernel.rejecting = true
  const report = await release(NEW)
  assert.equal(report.failure?.code, 'verifier-rejected')
  assert.equal(report.outcome, 'failed')
  assert.equal(kernel().dispatcher, hex(OLD))
  assert.equal((await state()).offered, null)
  fleet.kernel.rejecting = false
  assert.equal((await fleet.pass()).outcome, 'enforced')
  assert.equal(kernel().dispatcher, hex(NEW))
})

test('a release waits while too many replaced dispatchers have connections, and cuts none off', async () => {
  for (const name of ['b', 'c', 'd']) {
    kernel().sockets = 1
    assert.equal((await release(testElf(name, ''))).outcome, 'enforced')
  }
  kernel().sockets = 1
  const waiting = await release(NEW)
  assert.equal(waiting.failure?.code, 'no-free-slot')
  assert.equal(kernel().dispatcher, hex(testElf('d', '')))
  assert.equal(Object.values(kernel().draining).length, 3)
  kernel().draining[hex(OLD)] = 0
  assert.equal((await fleet.pass()).outcome, 'enforced')
  assert.equal(kernel().dispatcher, hex(NEW))
})

test('after a reboot the one that ran comes back, and nothing drains', async () => {
  kernel().sockets = 1
  await release(NEW)
  fleet.kernel.reboot()
  await restore(await fleet.node())
  assert.equal(kernel().dispatcher, hex(NEW))
  await fleet.pass()
  assert.deepEqual((await state()).draining, [])
  assert.equal(await audited(), null)
})

test('a change that a death stopped, and that the kernel refuses now, is taken back', async () => {
  await release(NEW)
  const node = await fleet.node()
  await node.state.update({ offered: { digest: sha256(OLD), number: 1 } })
  fleet.kernel.rejecting = true
  await restore(await fleet.node())
  assert.equal(kernel().dispatcher, hex(NEW))
  assert.equal((await state()).offered, null)
})

test('without its memory the node learns from the kernel which one enrols and which drain', async () => {
  kernel().sockets = 4
  await release(NEW)
  const { dispatcher } = await state()
  await writeFile(join(fleet.directory, 'state.json'), '{')
  await restore(await fleet.node({ store: { get: () => Promise.reject(new Error('away')) } }))
  const after = await state()
  assert.deepEqual(after.dispatcher, dispatcher)
  assert.deepEqual(
    after.draining.map(({ digest }) => digest),
    [sha256(OLD)],
  )
  assert.equal((await fleet.pass()).outcome, 'enforced')
  assert.equal(await audited(), null)
})

test('the audit names a dispatcher that drains and that this node never took', async () => {
  kernel().draining['f'.repeat(64)] = 1
  assert.deepEqual((await audited())?.code, 'attached-differs')
})

test('an older agent keeps what a newer one noted', async () => {
  const file = join(fleet.directory, 'state.json')
  const noted = { ...JSON.parse(await readFile(file, 'utf8')), fromTheNextVersion: { a: 1 } }
  await writeFile(file, JSON.stringify(noted))
  await release(NEW)
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')).fromTheNextVersion, { a: 1 })
})
