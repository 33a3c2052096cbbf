import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { describe, it } from 'node:test'
import { tufKey } from '../../../../functions/trust/keys.ts'
import { isWeakEd25519Key } from '../../../../pipelines/contract/ed25519-keys.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'

/** All points of small order and their non-canonical spellings (eprint 2020/1244, table 6 and below). */
const WEAK = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
]
const PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const IDENTITY = Buffer.concat([Buffer.from([1]), Buffer.alloc(31)])

/** A signature that nobody made: R is the identity, S is 0. Fits a key of small order for many messages. */
function takesForgery(key: Buffer): boolean {
  const publicKey = createPublicKey({ key: Buffer.concat([PREFIX, key]), format: 'der', type: 'spki' })
  const forged = Buffer.concat([IDENTITY, Buffer.alloc(32)])
  return Array.from({ length: 64 }, (_, index) => verify(null, Buffer.from([index]), publicKey, forged)).some(
    Boolean,
  )
}

describe('Ed25519 keys', () => {
  for (const hex of WEAK) {
    it(`refuses ${hex.slice(0, 8)}…${hex.slice(-2)}`, () => {
      assert.equal(isWeakEd25519Key(Buffer.from(hex, 'hex')), true)
      assert.throws(
        () => tufKey(Buffer.from(hex, 'hex')),
        (error) => error instanceof Failure,
      )
    })
  }

  it('is needed where OpenSSL is 3.0 (Node 20): it takes forged signatures under such keys, 3.5 does not', () => {
    const taken = WEAK.filter((hex) => takesForgery(Buffer.from(hex, 'hex'))).length
    if (process.versions.openssl.startsWith('3.0.')) assert.ok(taken >= 8)
    else assert.equal(taken, 0)
  })

  it('refuses keys of another length', () => {
    for (const length of [0, 31, 33, 64]) assert.equal(isWeakEd25519Key(Buffer.alloc(length, 7)), true)
  })

  it('accepts keys as they are generated', () => {
    for (let count = 0; count < 50; count++) {
      const spki = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' })
      assert.equal(isWeakEd25519Key(spki.subarray(-32)), false)
    }
  })
})
