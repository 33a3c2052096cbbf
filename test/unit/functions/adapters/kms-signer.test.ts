import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, it } from 'node:test'
import type { DecryptCommand, SignCommand } from '@aws-sdk/client-kms'
import { type Kms, kmsSealedSigner, kmsSigner } from '../../../../functions/adapters/kms-signer.ts'
import { publicKeyObject } from '../../../../functions/trust/keys.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'

const { privateKey } = generateKeyPairSync('ed25519')
const publicKey = new Uint8Array(
  createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32),
)
const hasCode = (code: string) => (error: unknown) => error instanceof Failure && error.code === code
const bytes = (length: number) => new Uint8Array(length).fill(7)

/** A KMS that says what it is told to say, and remembers what it was asked. */
function kmsThat(says: () => object): { kms: Kms; asked: object[] } {
  const asked: object[] = []
  const send = async (command: SignCommand | DecryptCommand) => {
    asked.push(command.input)
    return says()
  }
  return { kms: { send } as unknown as Kms, asked }
}

const signing = (message: Uint8Array) =>
  kmsThat(() => ({ Signature: new Uint8Array(sign(null, message, privateKey)) }))
const pkcs8 = () => new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' }))
const sealed = { keyId: 'arn:policy', purpose: 'policy', ciphertext: bytes(3) }

describe('a signer whose key is in KMS', () => {
  it('asks for the pure form of Ed25519 over the bytes themselves', async () => {
    const { kms, asked } = signing(bytes(4096))
    const signer = kmsSigner(kms, 'arn:timestamp', publicKey)
    const signature = await signer.sign(bytes(4096))
    assert.ok(verify(null, bytes(4096), publicKeyObject(signer.publicKey), signature))
    const [{ Message: _, ...rest } = { Message: undefined }] = asked as { Message?: unknown }[]
    assert.deepEqual(rest, {
      KeyId: 'arn:timestamp',
      MessageType: 'RAW',
      SigningAlgorithm: 'ED25519_SHA_512',
    })
  })

  it('refuses what KMS would refuse, and says which key is needed', async () => {
    const { kms, asked } = signing(bytes(4097))
    const refused = kmsSigner(kms, 'arn:timestamp', publicKey).sign(bytes(4097))
    await assert.rejects(refused, /4097: this role needs a sealed key/)
    assert.deepEqual(asked, [])
  })

  const answers: [string, () => object][] = [
    ['an error', () => assert.fail('throttled')],
    ['nothing', () => ({})],
    ['half a signature', () => ({ Signature: bytes(32) })],
  ]
  for (const [what, says] of answers) {
    it(`leaves the event in its queue when KMS answers ${what}`, async () => {
      const { kms } = kmsThat(says)
      await assert.rejects(kmsSigner(kms, 'k', publicKey).sign(bytes(1)), hasCode('signer-unavailable'))
    })
  }
})

describe('a signer whose key KMS has sealed', () => {
  it('opens it for its own purpose, and signs whatever length', async () => {
    const { kms, asked } = kmsThat(() => ({ Plaintext: pkcs8() }))
    const signer = await kmsSealedSigner(kms, sealed, publicKey)
    const message = bytes(1_000_000)
    assert.ok(verify(null, message, publicKeyObject(publicKey), await signer.sign(message)))
    assert.deepEqual(asked, [
      { KeyId: 'arn:policy', CiphertextBlob: bytes(3), EncryptionContext: { 'heddle:purpose': 'policy' } },
    ])
  })

  const wrong: [string, () => object, string, RegExp][] = [
    ['another key', () => ({ Plaintext: otherKey() }), 'metadata-untrusted', /another than/],
    ['no key', () => ({ Plaintext: bytes(48) }), 'metadata-untrusted', /no Ed25519 key/],
    ['a key of another kind', () => ({ Plaintext: ecKey() }), 'metadata-untrusted', /no Ed25519 key/],
    ['nothing', () => ({}), 'signer-unavailable', /opened nothing/],
    ['an error', () => assert.fail('AccessDeniedException'), 'signer-unavailable', /AccessDenied/],
  ]
  for (const [what, says, code, message] of wrong) {
    it(`is none when ${what} comes out`, async () => {
      const { kms } = kmsThat(says)
      await assert.rejects(kmsSealedSigner(kms, sealed, publicKey), (error) => {
        assert.ok(error instanceof Failure)
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /BEGIN|0707/)
        return error.code === code
      })
    })
  }

  it('leaves no plaintext in the bytes that KMS gave', async () => {
    const plaintext = pkcs8()
    const { kms } = kmsThat(() => ({ Plaintext: plaintext }))
    await kmsSealedSigner(kms, sealed, publicKey)
    assert.ok(plaintext.every((byte) => byte === 0))
  })
})

const exported = (key: ReturnType<typeof generateKeyPairSync>['privateKey']) =>
  new Uint8Array((key as typeof privateKey).export({ format: 'der', type: 'pkcs8' }))
const otherKey = () => exported(generateKeyPairSync('ed25519').privateKey)
const ecKey = () => exported(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
