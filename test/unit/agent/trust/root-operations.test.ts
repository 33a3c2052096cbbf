/** What operators do to the root of trust, as a node lives through it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Signer } from '../../../../functions/ports.ts'
import { extend, restart } from '../../../../functions/trust/ceremony.ts'
import { Repository } from '../../../../functions/trust/repository.ts'
import { OFFLINE_ROLES, ONLINE_ROLES, type RoleName } from '../../../../functions/trust/roles.ts'
import { rotate } from '../../../../functions/trust/rotation.ts'
import { quorumOf } from '../../../../functions/trust/signing.ts'
import { readAuthority } from '../../../../functions/trust/authority.ts'
import { audit } from '../../../../infra/node/audit.ts'
import { freshSigner } from '../../../fakes/forger.ts'
import { tableOf } from '../../../fakes/init-repository.ts'
import type { AllKeys } from '../../../fakes/keys.ts'
import { eachTestAt, fleet, refused } from './refusal.ts'

const DAY_MS = 24 * 3_600_000
eachTestAt(1)

const table = (keys: AllKeys = fleet.published.keys) => tableOf(fleet.store, keys, fleet.clock)
const functions = (keys: AllKeys, trustedRoot = fleet.published.root) =>
  new Repository({ store: fleet.store, keys, clock: fleet.clock, trustedRoot })
/** The role's keys, and one more. */
const withKey = (keys: AllKeys, role: RoleName, signer: Signer): AllKeys => ({
  ...keys,
  [role]: { ...keys[role], signers: [...keys[role].signers, signer] },
})
const without = (keys: AllKeys, role: RoleName, signer: Signer): AllKeys => ({
  ...keys,
  [role]: { ...keys[role], signers: keys[role].signers.filter((other) => other !== signer) },
})
async function replacing(role: RoleName, signer: Signer, now = false) {
  const { root, targets } = await readAuthority(fleet.store, fleet.published.root)
  const { keyIDs } = quorumOf({ root, targets: targets.metadata }, role)
  return { role, drop: keyIDs, fresh: [signer.publicKey], now }
}
async function takes(options: Parameters<typeof fleet.pass>[0] = {}): Promise<void> {
  const report = await fleet.pass(options)
  assert.equal(report.failure, null, report.failure?.message)
}

test('expired root: nothing new, what runs goes on; a root by the same keys ends it, over any number of expired ones', async () => {
  const { keys } = fleet.published
  await extend(table(), fleet.published.root, ['root'])
  fleet.clock.advance(10 * DAY_MS)
  await extend(table(), fleet.published.root, ['root'])
  // The node has seen none of them, and all of them are expired by now.
  fleet.clock.advance(400 * DAY_MS)
  await functions(keys).refresh()
  await refused('metadata-expired')
  fleet.kernel.content.active = null
  assert.equal((await fleet.pass()).failure?.code, 'metadata-expired')
  assert.notEqual(fleet.kernel.content.active, null)
  assert.deepEqual(await extend(table(), fleet.published.root), ['root', 'targets', 'code'])
  assert.deepEqual(await extend(table(), fleet.published.root), [])
  await functions(keys).refresh()
  await fleet.published.release('canary', 2, await fleet.artifact('two'))
  assert.equal((await fleet.pass()).outcome, 'enforced')
})

for (const role of ONLINE_ROLES) {
  test(`rotation of ${role}: prepared, given to the functions, rotated; a node never has to refuse`, async () => {
    const old = fleet.published.keys
    const [stale, fresh] = [old[role].signers[0], freshSigner()]
    assert.ok(stale)
    const rotation = await replacing(role, fresh)
    assert.equal((await rotate(table(), fleet.published.root, rotation)).state, 'prepared')
    await functions(old).refresh()
    await takes()
    const both = withKey(old, role, fresh)
    await functions(both).refresh()
    await takes()
    assert.equal((await rotate(table(), fleet.published.root, rotation)).state, 'rotated')
    await takes()
    await functions(without(both, role, stale)).refresh()
    await takes()
    // The old key is worth nothing: its holder can't write, and is told which key is wanted.
    await assert.rejects(functions(old).refresh(), { code: 'metadata-untrusted' })
  })

  test(`stolen key of ${role}: rotated at once, the node refuses until the functions have the new one`, async () => {
    const old = fleet.published.keys
    const [stale, fresh] = [old[role].signers[0], freshSigner()]
    assert.ok(stale)
    const { state } = await rotate(table(), fleet.published.root, await replacing(role, fresh, true))
    assert.equal(state, 'rotated')
    if (role === 'snapshot' || role === 'timestamp') await refused('metadata-untrusted')
    const both = withKey(old, role, fresh)
    await functions(both).refresh()
    await takes()
    await functions(without(both, role, stale)).refresh()
    await takes()
  })
}

for (const role of OFFLINE_ROLES) {
  test(`rotation of ${role}: a node never has to refuse, and the old key signs nothing any more`, async () => {
    const old = fleet.published.keys
    const fresh = freshSigner()
    const both = withKey(old, role, fresh)
    const rotation = await replacing(role, fresh)
    for (const state of role === 'targets' ? (['prepared', 'rotated'] as const) : (['rotated'] as const)) {
      assert.equal((await rotate(table(both), fleet.published.root, rotation)).state, state)
      await takes()
      await functions(old).refresh()
      await takes()
    }
    await assert.rejects(extend(table(old), fleet.published.root, [role]), { code: 'metadata-untrusted' })
    const [stale] = old[role].signers
    assert.ok(stale)
    assert.deepEqual(await extend(table(without(both, role, stale)), fleet.published.root, [role]), [role])
    await functions(old).refresh()
    await takes()
  })
}

test('lost threshold: the node refuses the new root and goes on, also after a reboot, until it is enrolled with it', async () => {
  const { keys } = fleet.published
  await fleet.published.release('canary', 2, await fleet.artifact('two'))
  assert.equal((await fleet.pass()).outcome, 'enforced')
  const fresh = freshSigner()
  const lost = { ...keys, root: { signers: [fresh], threshold: 1 } }
  const members = { keys: [fresh.publicKey], threshold: 1 }
  const root = await restart(table(lost), { trustedRoot: fleet.published.root, members })
  // Held again, as after a death, it is the same ceremony.
  assert.deepEqual(await restart(table(lost), { trustedRoot: fleet.published.root, members }), root)
  await refused('metadata-untrusted')
  fleet.kernel.reboot()
  assert.equal((await fleet.pass()).failure?.code, 'metadata-untrusted')
  assert.notEqual(fleet.kernel.content.active, null)

  const pinnedRoot = Buffer.from(root).toString()
  await functions(lost, root).refresh()
  await takes({ pinnedRoot })
  const { state, disk, kernel, ring } = await fleet.node()
  const { broken } = await audit({ ring, pinnedRoot, state: state.current, disk, kernel })
  assert.equal(broken, null, 'what runs is provable under the new root')

  const two = await fleet.artifact('two').catch(() => undefined)
  assert.equal(two, undefined, 'functions that begin at the old root stop')
})

test('lost threshold: no release is taken again and no clock is believed that the node has left behind', async () => {
  const { keys } = fleet.published
  const two = await fleet.artifact('two')
  await fleet.published.release('canary', 7, two)
  assert.equal((await fleet.pass()).outcome, 'enforced')
  const fresh = freshSigner()
  const lost = { ...keys, root: { signers: [fresh], threshold: 1 } }
  const members = { keys: [fresh.publicKey], threshold: 1 }
  const root = await restart(table(lost), { trustedRoot: fleet.published.root, members })
  const pinnedRoot = Buffer.from(root).toString()
  const before = (await fleet.node()).state.current
  const writer = functions(lost, root)
  const release = {
    schema: 'heddle.release/1',
    ring: 'canary',
    number: 6,
    artifact: two,
    commit: 'c'.repeat(40),
    rollout: 'r',
  }
  const bytes = Buffer.from(JSON.stringify(release))
  await writer.update(() => ({ release: { put: [{ path: 'release/canary.json', bytes }] } }))
  await refused('release-replayed', { pinnedRoot })
  fleet.clock.advance(-20 * DAY_MS)
  await refused('release-replayed', { pinnedRoot })
  const { accepted, clockFloor } = (await fleet.node()).state.current
  assert.deepEqual({ accepted, clockFloor }, { accepted: before.accepted, clockFloor: before.clockFloor })
})

test('lost threshold by theft: what the thief has signed since counts for nothing', async () => {
  const { keys, root: trustedRoot } = fleet.published
  const thief = freshSigner()
  await rotate(table(), trustedRoot, await replacing('timestamp', thief, true))
  const fresh = freshSigner()
  const members = { keys: [fresh.publicKey], threshold: 1 }
  const lost = { ...keys, root: { signers: [fresh], threshold: 1 } }
  const root = await restart(table(lost), { trustedRoot, members, from: 1 })
  assert.equal(JSON.parse(Buffer.from(root).toString()).signed.version, 3)
  await functions(lost, root).refresh()
  await takes({ pinnedRoot: Buffer.from(root).toString() })
})
