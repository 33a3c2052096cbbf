/**
 * Fast-forward attacks: a stolen key makes a version so high that nothing honest comes after it. When
 * the root takes the key away, what it signed binds nobody (TUF 1.0.31, 5.3.11).
 */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { Signer } from '../../../../functions/ports.ts'
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import { addKey, forger, freshSigner, type Signed, signJson } from '../../../fakes/forger.ts'
import { eachTestAt, fleet, refused } from './refusal.ts'

const HUGE = 1_000_000_000
eachTestAt(1)
let two: Digest
beforeEach(async () => {
  two = await fleet.artifact('two')
})

/** The root takes the online keys away, and gives the roles these. */
async function rotate(roles: readonly ('timestamp' | 'snapshot')[]): Promise<Signer[]> {
  const { keys, putRoot } = forger(fleet)
  const signers = roles.map(() => freshSigner())
  await putRoot(keys.root.signers, (signed: Signed) => {
    for (const [at, signer] of signers.entries())
      signed.roles[roles[at] as string].keyids = [addKey(signed.keys, signer)]
  })
  return signers
}

/** An honest snapshot under a small version, and a timestamp that names it. */
async function startAgain(
  snapshot: { signed: Signed; signer: Signer | undefined },
  timestamp: Signer | undefined,
): Promise<void> {
  assert.ok(snapshot.signer !== undefined && timestamp !== undefined)
  const { write, putTimestamp } = forger(fleet)
  const { version } = snapshot.signed
  write(`${version}.snapshot.json`, await signJson(snapshot.signed, [snapshot.signer]))
  await putTimestamp(
    (signed) => {
      signed.version = 7
      signed.meta['snapshot.json'] = { version }
    },
    [timestamp],
  )
}

test('fast-forward: after the root has rotated a stolen timestamp key, its huge version binds nobody', async () => {
  const { putTimestamp } = forger(fleet)
  await putTimestamp((signed) => {
    signed.version = HUGE
  })
  assert.equal((await fleet.pass()).outcome, 'unchanged')
  const [timestamp] = await rotate(['timestamp'])
  assert.ok(timestamp)
  await putTimestamp(
    (signed) => {
      signed.version = 7
    },
    [timestamp],
  )
  const report = await fleet.pass()
  assert.deepEqual([report.outcome, report.failure], ['unchanged', null])
})

test('fast-forward: the huge version of a snapshot binds nobody once its key and the timestamp’s are rotated', async () => {
  const honest = forger(fleet).snapshot()
  await forger(fleet).putSnapshot((signed) => {
    signed.version = HUGE
  })
  assert.equal((await fleet.pass()).failure, null)
  const { keys } = forger(fleet)
  await startAgain({ signed: honest, signer: keys.snapshot.signers[0] }, keys.timestamp.signers[0])
  await refused('metadata-rollback')
  const [timestamp, snapshot] = await rotate(['timestamp', 'snapshot'])
  await startAgain({ signed: honest, signer: snapshot }, timestamp)
  assert.equal((await fleet.pass()).failure, null)
})

test('fast-forward: the huge version of a role, named by a stolen snapshot key, binds nobody once that is rotated', async () => {
  await fleet.published.release('canary', 2, two)
  const honest = forger(fleet).snapshot()
  await forger(fleet).putSnapshot((signed) => {
    signed.meta['release.json'] = { version: HUGE }
  })
  await refused('store-unavailable')
  await forger(fleet).putSnapshot((signed) => {
    signed.meta['release.json'] = honest.meta['release.json']
  })
  await refused('metadata-rollback')
  const [timestamp, snapshot] = await rotate(['timestamp', 'snapshot'])
  await startAgain({ signed: { ...honest, version: honest.version + 9 }, signer: snapshot }, timestamp)
  const report = await fleet.pass()
  assert.deepEqual([report.outcome, report.number, report.failure], ['enforced', 2, null])
})
