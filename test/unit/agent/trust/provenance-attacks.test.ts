/** Attacks behind good metadata: where an artifact says that it comes from. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from '../../../../agent/cache.ts'
import { encode } from '../../../../functions/trust/metadata.ts'
import { signStatement } from '../../../../functions/trust/statements.ts'
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import { PAYLOAD_TYPES } from '../../../../pipelines/contract/dsse.ts'
import { blobKey, policyTarget } from '../../../../pipelines/contract/object-keys.ts'
import { forger, type Signed } from '../../../fakes/forger.ts'
import { eachTestAt, fleet, one, refused } from './refusal.ts'

eachTestAt(5)

function object(key: string): Uint8Array {
  const bytes = fleet.store.objects.get(key)
  assert.ok(bytes, `no ${key}`)
  return bytes
}

async function releaseTwo(): Promise<Digest> {
  const artifact = await fleet.artifact('two')
  await fleet.published.release('canary', 6, artifact)
  return artifact
}

/** Put other bytes in the place of artifact two's provenance, listed by the policy role. */
async function withProvenance(envelope: Uint8Array): Promise<void> {
  const artifact = await releaseTwo()
  fleet.store.objects.set(blobKey(sha256(envelope)), envelope)
  await forger(fleet).putRole('policy', (signed: Signed) => {
    signed.targets[policyTarget(artifact)].custom.provenance = sha256(envelope)
  })
}

function provenanceOf(artifact: Digest): Uint8Array {
  const { role } = forger(fleet)
  return object(blobKey(role('policy').targets[policyTarget(artifact)].custom.provenance))
}

test('provenance of another artifact', async () => {
  await withProvenance(provenanceOf(one))
  await refused('provenance-untrusted')
})

test('provenance by another key', async () => {
  const artifact = await releaseTwo()
  const { payload } = JSON.parse(Buffer.from(provenanceOf(artifact)).toString())
  const statement = JSON.parse(Buffer.from(payload, 'base64').toString())
  const { keys } = fleet.published
  await withProvenance(await signStatement(PAYLOAD_TYPES.provenance, statement, keys.release))
  await refused('provenance-untrusted')
})

test('provenance that is no envelope', async () => {
  await withProvenance(encode({ hello: 'world' }))
  await refused('provenance-untrusted')
})

test('payload-type confusion: provenance signed as a ring success', async () => {
  const artifact = await releaseTwo()
  const { payload } = JSON.parse(Buffer.from(provenanceOf(artifact)).toString())
  const statement = JSON.parse(Buffer.from(payload, 'base64').toString())
  const { keys } = fleet.published
  const envelope = await signStatement(PAYLOAD_TYPES.ringSuccess, statement, keys.policy)
  await withProvenance(envelope)
  await refused('provenance-untrusted')
})

test('payload-type confusion: the type relabelled after signing', async () => {
  const artifact = await releaseTwo()
  const { payload } = JSON.parse(Buffer.from(provenanceOf(artifact)).toString())
  const statement = JSON.parse(Buffer.from(payload, 'base64').toString())
  const { keys } = fleet.published
  const envelope = await signStatement(PAYLOAD_TYPES.ringSuccess, statement, keys.policy)
  const relabelled = {
    ...JSON.parse(Buffer.from(envelope).toString()),
    payloadType: PAYLOAD_TYPES.provenance,
  }
  await withProvenance(encode(relabelled))
  await refused('provenance-untrusted')
})
