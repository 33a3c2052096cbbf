/** Attacks on the age of metadata: rollback, mix-and-match, freeze, a clock set back. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import { metadataKey } from '../../../../pipelines/contract/object-keys.ts'
import { forger, type Signed } from '../../../fakes/forger.ts'
import { eachTestAt, fleet, refused } from './refusal.ts'

const HOUR = 3_600_000
eachTestAt(1)
let two: Digest
beforeEach(async () => {
  two = await fleet.artifact('two')
})

test('rollback: an older timestamp is served again, also after a restart', async () => {
  const { objects } = forger(fleet)
  const old = objects.get(metadataKey('timestamp.json'))
  await fleet.published.release('canary', 2, two)
  assert.equal((await fleet.pass()).outcome, 'enforced')
  assert.ok(old)
  objects.set(metadataKey('timestamp.json'), old)
  for (const when of ['at once', 'after a restart']) {
    const report = await fleet.pass()
    assert.equal(report.failure?.code, 'metadata-rollback', when)
    assert.equal(report.generation, 2)
  }
})

test('stolen online key: a new snapshot that names an older release role', async () => {
  await fleet.published.release('canary', 2, two)
  assert.equal((await fleet.pass()).outcome, 'enforced')
  await forger(fleet).putSnapshot((snapshot) => {
    snapshot.meta['release.json'] = { version: snapshot.meta['release.json'].version - 1 }
  })
  const report = await fleet.pass()
  assert.equal(report.failure?.code, 'metadata-rollback')
  assert.equal(report.generation, 2)
})

test('stolen online key: a role left out of the snapshot', async () => {
  await forger(fleet).putSnapshot((snapshot) => {
    delete snapshot.meta['policy.json']
  })
  await refused('metadata-untrusted')
})

test('mix-and-match: the release role of yesterday under the name of today', async () => {
  const { objects, snapshot } = forger(fleet)
  const before = snapshot().meta['release.json'].version
  await fleet.published.release('canary', 2, two)
  const after = snapshot().meta['release.json'].version
  const old = objects.get(metadataKey(`${before}.release.json`))
  assert.ok(old)
  objects.set(metadataKey(`${after}.release.json`), old)
  await refused('metadata-untrusted')
})

test('freeze: expired metadata brings nothing new, and what runs goes on and is kept right', async () => {
  await fleet.published.release('canary', 2, two)
  fleet.clock.advance(13 * HOUR)
  await refused('metadata-expired')
  fleet.kernel.content.active = null
  const report = await fleet.pass()
  assert.equal(report.failure?.code, 'metadata-expired')
  assert.notEqual(fleet.kernel.content.active, null)
})

test('freeze: stale metadata is believed for as long as it is valid, and not an hour longer', async () => {
  const { objects } = forger(fleet)
  const frozen = new Map(objects)
  await fleet.published.release('canary', 2, two)
  const newest = new Map(objects)
  const serve = (content: Map<string, Uint8Array>) => {
    for (const [key, bytes] of content) objects.set(key, bytes)
  }
  serve(frozen)
  assert.equal((await fleet.pass()).failure, null)
  fleet.clock.advance(11 * HOUR)
  assert.equal((await fleet.pass()).failure, null)
  fleet.clock.advance(2 * HOUR)
  await refused('metadata-expired')
  // The freeze ends: what it hid is taken.
  serve(newest)
  await fleet.published.repository.refresh()
  const report = await fleet.pass()
  assert.deepEqual([report.outcome, report.number], ['enforced', 2])
})

test('freeze: an expired role behind a fresh timestamp', async () => {
  await forger(fleet).putRole('release', (signed: Signed) => {
    signed.expires = '2026-11-22T00:00:00Z'
  })
  await refused('metadata-expired')
})

test('freeze: an expired root ends everything new', async () => {
  const { keys, putRoot } = forger(fleet)
  await putRoot(keys.root.signers, (signed: Signed) => {
    signed.expires = '2026-11-22T00:00:00Z'
  })
  await refused('metadata-expired')
})

test('clock set back: metadata that has expired once stays expired, also after a restart', async () => {
  const { objects } = forger(fleet)
  fleet.clock.advance(11 * HOUR)
  await fleet.published.repository.refresh()
  assert.equal((await fleet.pass()).outcome, 'unchanged')
  fleet.clock.advance(11 * HOUR)
  await fleet.published.repository.refresh()
  assert.equal((await fleet.pass()).outcome, 'unchanged')
  // The mirror freezes, and the clock goes back to where that metadata was fresh.
  const { putTimestamp } = forger(fleet)
  await putTimestamp((signed) => {
    signed.expires = '2026-11-23T12:00:00Z'
  })
  assert.ok(objects.size > 0)
  fleet.clock.advance(-20 * HOUR)
  await refused('clock-set-back')
  await refused('clock-set-back')
})

test('a clock that starts at zero is taken for the floor', async () => {
  await fleet.published.release('canary', 2, two)
  fleet.clock.advance(-fleet.clock.now().getTime())
  assert.equal((await fleet.pass()).outcome, 'enforced')
})
