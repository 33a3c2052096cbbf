/** Attacks on the metadata itself: who signed it, what was changed in it, how much of it there is. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { tufKey } from '../../../../functions/trust/keys.ts'
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import { metadataKey } from '../../../../pipelines/contract/object-keys.ts'
import { addKey, forger, freshSigner, type Signed, signJson } from '../../../fakes/forger.ts'
import { eachTestAt, fleet, refused } from './refusal.ts'

const SAMPLES = process.env['HEDDLE_DEEP'] === '1' ? 100 : 4
eachTestAt(1)
let two: Digest
beforeEach(async () => {
  two = await fleet.artifact('two')
})

for (const role of ['targets', 'code', 'policy', 'release'] as const) {
  test(`wrong key: ${role} metadata signed by a stranger`, async () => {
    await fleet.published.release('canary', 2, two)
    await forger(fleet).putRoleAs(role, [freshSigner()], () => {})
    await refused('metadata-untrusted')
  })
}

test('wrong key: snapshot metadata signed by a stranger', async () => {
  await forger(fleet).putSnapshot(() => {}, [freshSigner()])
  await refused('metadata-untrusted')
})

test('wrong key: timestamp metadata signed by a stranger', async () => {
  await forger(fleet).putTimestamp(() => {}, [freshSigner()])
  await refused('metadata-untrusted')
})

test('wrong key: every delegated role signing in the place of another', async () => {
  const { keys, putRoleAs } = forger(fleet)
  await putRoleAs('release', keys.policy.signers, () => {})
  await refused('metadata-untrusted')
})

test('unsigned: metadata with no signature at all', async () => {
  await forger(fleet).putRoleAs('release', [], () => {})
  await refused('metadata-untrusted')
})

test('threshold met twice by one key: its signature twice in the list', async () => {
  const { keys, putRole, role, write, putSnapshot } = forger(fleet)
  const second = freshSigner()
  await putRole('targets', (signed: Signed) => {
    const delegated = signed.delegations.roles.find(({ name }: Signed) => name === 'release')
    delegated.keyids.push(addKey(signed.delegations.keys, second))
    delegated.threshold = 2
  })
  const signed = role('release')
  signed.version++
  const bytes = await signJson(signed, [...keys.release.signers, ...keys.release.signers])
  write(`${signed.version}.release.json`, bytes)
  await putSnapshot((snapshot) => {
    snapshot.meta['release.json'] = { version: signed.version }
  })
  await refused('metadata-untrusted')
})

test('threshold met twice by one key: the same key under two ids', async () => {
  const { keys, putRole } = forger(fleet)
  await putRole('targets', (signed: Signed) => {
    const [signer] = keys.release.signers
    assert.ok(signer)
    signed.delegations.keys['f'.repeat(64)] = tufKey(signer.publicKey).toJSON()
    const delegated = signed.delegations.roles.find(({ name }: Signed) => name === 'release')
    delegated.keyids.push('f'.repeat(64))
  })
  await refused('metadata-untrusted')
})

test('a key of small order in a delegation', async () => {
  await forger(fleet).putRole('targets', (signed: Signed) => {
    const id = 'e'.repeat(64)
    const weak = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: `01${'00'.repeat(31)}` } }
    signed.delegations.keys[id] = weak
    signed.delegations.roles[0].keyids.push(id)
  })
  await refused('metadata-untrusted')
})

test('tampered: any byte of any metadata file changed', async () => {
  await fleet.published.release('canary', 2, two)
  const { objects, snapshot, read } = forger(fleet)
  const files = ['timestamp.json', `${read('timestamp.json').meta['snapshot.json'].version}.snapshot.json`]
  files.push(`${snapshot().meta['release.json'].version}.release.json`)
  for (const file of files) {
    const good = objects.get(metadataKey(file))
    assert.ok(good)
    for (let sample = 0; sample < SAMPLES; sample++) {
      const bad = good.slice()
      const at = Math.floor((sample * good.length) / SAMPLES)
      bad[at] = (bad[at] ?? 0) ^ 1
      objects.set(metadataKey(file), bad)
      const report = await fleet.pass()
      // A flipped bit inside a signature's hex may leave it valid JSON, never a valid signature.
      assert.ok(report.failure !== null, `${file} byte ${at} was accepted`)
      assert.equal(report.generation, 1)
    }
    objects.set(metadataKey(file), good)
  }
})

test('endless data: a timestamp without end', async () => {
  forger(fleet).write('timestamp.json', new Uint8Array(1 << 20))
  await refused('store-too-large')
})

test('endless data: a stolen online key names a huge length for a role', async () => {
  const { putSnapshot, write, snapshot } = forger(fleet)
  const version = snapshot().meta['policy.json'].version + 1
  write(`${version}.policy.json`, new Uint8Array(9 << 20))
  await putSnapshot((signed) => {
    signed.meta['policy.json'] = { version, length: 10 ** 12 }
  })
  await refused('store-too-large')
})

test('a store that is gone or empty is a retry, and what runs goes on', async () => {
  fleet.store.objects.clear()
  await refused('store-unavailable')
})
