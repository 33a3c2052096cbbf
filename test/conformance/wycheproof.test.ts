/**
 * Signatures that others found hard to tell from good ones: ../shared/corpus/wycheproof. Ed25519 by our
 * verification; ECDSA, which we never accept, to show that nothing of it passes.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Key } from '@tufjs/models'
import { checkKeys, signersOf } from '../../agent/trust/keys.ts'
import { publicKeyObject, tufKey } from '../../functions/trust/keys.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { open, pae, PAYLOAD_TYPES, toBase64 } from '../../pipelines/contract/dsse.ts'
import { verify } from 'node:crypto'

const VECTORS = join(process.env['HEDDLE_CORPUS'] ?? '../shared/corpus', 'wycheproof/testvectors_v1')
const skip = existsSync(VECTORS) ? false : '../shared/corpus is absent: 413 vectors of wycheproof'

type Group = {
  publicKey: { pk: string; wx: string; uncompressed: string }
  publicKeyPem: string
  tests: { tcId: number; comment: string; msg: string; sig: string; result: 'valid' | 'invalid' }[]
}
const read = (file: string): Group[] => JSON.parse(readFileSync(join(VECTORS, file), 'utf8')).testGroups
const bytes = (hex: string) => Buffer.from(hex, 'hex')
const ed25519 = (hex: string): Key =>
  Key.fromJSON('id', { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: hex } })

const verifier = (hex: string) => signersOf({ keyIDs: ['id'], threshold: 1 }, { id: ed25519(hex) })

test('ed25519: all 151 vectors as expected, none of their keys is weak', { skip }, () => {
  const groups = read('ed25519_test.json')
  let count = 0
  for (const { publicKey, tests } of groups) {
    checkKeys({ id: ed25519(publicKey.pk) })
    const signers = verifier(publicKey.pk)
    const functionsKey = publicKeyObject(bytes(tufKey(bytes(publicKey.pk)).keyVal['public'] as string))
    for (const { tcId, comment, msg, sig, result } of tests) {
      count++
      const accepted = signers.verify('id', bytes(msg), bytes(sig))
      assert.equal(accepted, result === 'valid', `${tcId} ${comment}`)
      assert.equal(verify(null, bytes(msg), functionsKey, bytes(sig)), accepted, `${tcId} functions`)
    }
  }
  assert.equal(count, 151)
})

test('ed25519: no signature of a vector opens an envelope, which signs more than its payload', {
  skip,
}, () => {
  const payloadType = PAYLOAD_TYPES.provenance
  for (const { publicKey, tests } of read('ed25519_test.json')) {
    const signers = verifier(publicKey.pk)
    for (const { msg, sig } of tests) {
      const payload = bytes(msg)
      assert.notDeepEqual(pae(payloadType, payload), payload)
      const envelope = {
        payloadType,
        payload: toBase64(payload),
        signatures: [{ keyid: 'id', sig: toBase64(bytes(sig)) }],
      }
      assert.equal(open(envelope, { payloadType, threshold: 1 }, signers.verify).ok, false)
    }
  }
})

test('ecdsa: none of 112 keys is pinned, none of 262 signatures passes for Ed25519', { skip }, () => {
  const groups = read('ecdsa_secp256r1_sha256_p1363_test.json')
  const refuse = (keytype: string, scheme: string, hex: string) =>
    assert.throws(
      () => checkKeys({ id: Key.fromJSON('id', { keytype, scheme, keyval: { public: hex } }) }),
      Failure,
    )
  let count = 0
  for (const { publicKey, publicKeyPem, tests } of groups) {
    refuse('ecdsa', 'ecdsa-sha2-nistp256', publicKeyPem)
    refuse('ed25519', 'ed25519', publicKey.uncompressed)
    const x = publicKey.wx.padStart(64, '0').slice(-64)
    for (const { tcId, msg, sig } of tests) {
      count++
      assert.equal(verifier(x).verify('id', bytes(msg), bytes(sig)), false, `${tcId}`)
    }
  }
  assert.deepEqual([groups.length, count], [112, 262])
})
