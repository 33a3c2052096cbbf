/** Attacks behind good signatures: an artifact that nobody could see in the log before it was to run. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { sha256 } from '../../../../agent/cache.ts'
import { logCrypto } from '../../../../functions/log/log-reader.ts'
import { TransparencyLog } from '../../../../functions/log/transparency-log.ts'
import type { Signer } from '../../../../functions/ports.ts'
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import { LOG_TARGET, logEntryBytes, readLogEntry } from '../../../../pipelines/contract/log.ts'
import { blobKey, PolicyCustom, policyTarget } from '../../../../pipelines/contract/object-keys.ts'
import { PAYLOAD_TYPES } from '../../../../pipelines/contract/dsse.ts'
import { signStatement } from '../../../../functions/trust/statements.ts'
import { encode } from '../../../../functions/trust/metadata.ts'
import { forger, freshSigner, type Signed } from '../../../fakes/forger.ts'
import { logTarget } from '../../../fakes/init-repository.ts'
import { CODE, manifestOf } from '../../../fakes/node-fleet.ts'
import { testElf } from '../../../fakes/test-elf.ts'
import { memoryStore } from '../../../fakes/memory-store.ts'
import { eachTestAt, fleet, one, refused } from './refusal.ts'

const ORIGIN = 'heddle.test/log'
let two: Digest

eachTestAt(5)
beforeEach(async () => {
  two = await fleet.artifact('two')
  await fleet.published.release('canary', 6, two)
})

const custom = (artifact: Digest): PolicyCustom =>
  PolicyCustom.parse(forger(fleet).role('policy').targets[policyTarget(artifact)].custom)
const entryOf = (artifact: Digest) => {
  const { provenance, commit } = custom(artifact)
  return logEntryBytes({ artifact, provenance, commit })
}
const proofOf = (artifact: Digest) =>
  Buffer.from(fleet.store.objects.get(blobKey(custom(artifact).proof ?? one)) ?? []).toString()

/** The builder's key signs whatever it likes: artifact two with this in the place of its proof. */
async function withProof(proof: Uint8Array | string | undefined): Promise<void> {
  const bytes = proof === undefined ? undefined : new Uint8Array(Buffer.from(proof))
  if (bytes !== undefined) fleet.store.objects.set(blobKey(sha256(bytes)), bytes)
  await forger(fleet).putRole('policy', (signed: Signed) => {
    signed.targets[policyTarget(two)].custom.proof = bytes && sha256(bytes)
  })
}

/** A proof of artifact two from a log of somebody's own. */
async function provenElsewhere(signer: Signer, origin = ORIGIN): Promise<string> {
  const log = { origin, keys: [{ name: origin, publicKey: signer.publicKey }], ...logCrypto }
  const isEntry = (bytes: Uint8Array) => readLogEntry(Buffer.from(bytes).toString()) !== undefined
  return new TransparencyLog(memoryStore(), { log, signers: [signer], isEntry }).append(entryOf(two))
}

test('what is logged is taken, and its proof is kept beside it', async () => {
  assert.equal((await fleet.pass()).outcome, 'enforced')
})

test('never logged: the builder lists an artifact without a proof', async () => {
  const elf = testElf(CODE, 'in secret')
  const secret = await fleet.published.publishArtifact(manifestOf(elf), elf, false)
  await fleet.published.release('canary', 7, secret)
  await refused('artifact-unlogged')
})

test('never logged: the proof of a listed artifact is left out', async () => {
  await withProof(undefined)
  await refused('artifact-unlogged')
})

test('bad proof: that of another entry, and of another commit', async () => {
  await withProof(proofOf(one))
  await refused('artifact-unlogged')
  await withProof(proofOf(two))
  await forger(fleet).putRole('policy', (signed: Signed) => {
    signed.targets[policyTarget(two)].custom.commit = 'd'.repeat(40)
  })
  await refused('artifact-unlogged')
})

test('bad proof: no proof at all, another index, a hash less, a hash more, a checkpoint without a signature', async () => {
  const good = proofOf(two)
  const [head = '', index = '', hash = '', ...rest] = good.split('\n')
  const bad = [
    '',
    'hello',
    good.slice(0, -40),
    good.replace('index 1', 'index 0'),
    good.replace('index 1', 'index 01'),
    [head, index, ...rest].join('\n'),
    [head, index, hash, hash, ...rest].join('\n'),
    good.replace(/\n— .*\n/, '\n'),
    good.replace(`${ORIGIN}\n2\n`, `${ORIGIN}\n3\n`),
  ]
  for (const text of bad) {
    assert.notEqual(text, good)
    await withProof(text)
    await refused('artifact-unlogged')
  }
})

test('split view: a log of the same name by another key, and by a stolen online key', async () => {
  await withProof(await provenElsewhere(freshSigner()))
  await refused('artifact-unlogged')
  for (const role of ['policy', 'release', 'snapshot', 'timestamp'] as const) {
    await withProof(await provenElsewhere(fleet.published.keys[role].signers[0] as Signer))
    await refused('artifact-unlogged')
  }
})

test('split view: the log of another fleet, whose key is the same', async () => {
  await withProof(await provenElsewhere(fleet.published.keys.log.signers[0] as Signer, 'heddle.other/log'))
  await refused('artifact-unlogged')
})

test('payload-type confusion: a checkpoint signed as a statement, a statement as a checkpoint', async () => {
  const [signer] = fleet.published.keys.log.signers as [Signer]
  const keys = { signers: [signer], threshold: 1 }
  const statement = { note: proofOf(two) }
  await withProof(await signStatement(PAYLOAD_TYPES.provenance, statement, keys))
  await refused('artifact-unlogged')
  const envelope = encode({ payloadType: PAYLOAD_TYPES.provenance, payload: '', signatures: [] })
  await withProof(envelope)
  await refused('artifact-unlogged')
})

test('stolen online key: a log target in the folder of a role that is online is not asked', async () => {
  const thief = freshSigner()
  const { bytes } = logTarget({ ...fleet.published.keys, log: { signers: [thief], threshold: 1 } })
  await withProof(await provenElsewhere(thief))
  await forger(fleet).putRole('policy', (signed: Signed) => {
    const file = { length: bytes.length, hashes: { sha256: sha256(bytes).slice('sha256:'.length) } }
    signed.targets[LOG_TARGET] = file
    signed.targets['policy/log.json'] = file
  })
  await refused('artifact-unlogged')
})

test('a log key that is none, weak, or that of another name', async () => {
  const good = logTarget(fleet.published.keys)
  const text = Buffer.from(good.bytes).toString()
  const bad = [
    text.replace(ORIGIN, 'heddle.other/log'),
    text.replace(/\+[0-9a-f]{8}\+/, '+00000000+'),
    text.replace('"keys":["', '"keys":["x","'),
    text.replace('heddle.log/1', 'heddle.log/2'),
  ]
  for (const wrong of bad) {
    assert.notEqual(wrong, text)
    await fleet.published.putCode({ path: LOG_TARGET, bytes: new Uint8Array(Buffer.from(wrong)) })
    await refused('code-untrusted')
  }
})

test('rotation: what the old key has proved is taken while code lists it, and refused when it does not', async () => {
  const fresh = freshSigner()
  const { keys } = fleet.published
  const both = { ...keys, log: { signers: [...keys.log.signers, fresh], threshold: 1 } }
  await fleet.published.putCode(logTarget({ ...keys, log: { signers: [fresh], threshold: 1 } }))
  await refused('artifact-unlogged')
  await fleet.published.putCode(logTarget(both))
  assert.equal((await fleet.pass()).outcome, 'enforced')
})

test('the proof is withheld, and put in its place is another file', async () => {
  const key = blobKey(custom(two).proof ?? one)
  fleet.store.objects.delete(key)
  await refused('artifact-missing')
  fleet.store.objects.set(key, Buffer.from(proofOf(one)))
  await refused('artifact-tampered')
})
