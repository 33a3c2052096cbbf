/**
 * Signers whose keys AWS KMS keeps, in one of two ways. KMS signs with Ed25519 itself (key spec
 * ECC_NIST_EDWARDS25519, RFC 8032's pure form), but takes only 4,096 bytes then, and its prehashed form
 * is another signature that no TUF client verifies. So:
 *
 * kmsSigner        the key never leaves KMS. For what is short by nature: timestamp, snapshot.
 * kmsSealedSigner  the key is made by KMS (GenerateDataKeyPairWithoutPlaintext), lies sealed under a
 *                  KMS key of its role, and is open only in the memory of that role's functions.
 *                  For what grows: the lists of artifacts, provenance, the rollout's state.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { DecryptCommand, type KMSClient, SignCommand } from '@aws-sdk/client-kms'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Signer } from '../ports.ts'
import { memorySigner } from './dev-keys.ts'

/** Bytes that KMS takes for MessageType RAW (API reference, Sign). */
const MAX_RAW_BYTES = 4096
/** Bytes of a signature of RFC 8032. */
const SIGNATURE_BYTES = 64

export type Kms = Pick<KMSClient, 'send'>
/** A value that KMS has encrypted. `purpose` is its encryption context: a value of one purpose opens as no other. */
export type Sealed = { keyId: string; purpose: string; ciphertext: Uint8Array }

/** Throws Failure('limit-exceeded' | 'signer-unavailable') when it is asked to sign. */
export function kmsSigner(kms: Kms, keyId: string, publicKey: Uint8Array): Signer {
  return {
    publicKey,
    async sign(bytes) {
      if (bytes.length > MAX_RAW_BYTES) {
        const message = `KMS signs ${MAX_RAW_BYTES} bytes with Ed25519, these are ${bytes.length}: this role needs a sealed key`
        throw new Failure('limit-exceeded', message)
      }
      const { Signature } = await answer(() =>
        kms.send(
          new SignCommand({
            KeyId: keyId,
            Message: bytes,
            MessageType: 'RAW',
            SigningAlgorithm: 'ED25519_SHA_512',
          }),
        ),
      )
      if (Signature?.length !== SIGNATURE_BYTES)
        throw new Failure('signer-unavailable', `KMS answered without a signature of ${keyId}`)
      return Signature
    },
  }
}

/** Throws Failure('signer-unavailable' | 'metadata-untrusted'): what was sealed must be the key that nodes were told of. */
export async function kmsSealedSigner(kms: Kms, sealed: Sealed, publicKey: Uint8Array): Promise<Signer> {
  const signer = memorySigner(privateKeyOf(await openSealed(kms, sealed), sealed.purpose))
  if (!Buffer.from(signer.publicKey).equals(publicKey))
    throw new Failure(
      'metadata-untrusted',
      `the sealed key of ${sealed.purpose} is another than its public key`,
    )
  return signer
}

/** What was sealed. Throws Failure('signer-unavailable'). */
export async function openSealed(kms: Kms, { keyId, purpose, ciphertext }: Sealed): Promise<Uint8Array> {
  const { Plaintext } = await answer(() =>
    kms.send(
      new DecryptCommand({
        KeyId: keyId,
        CiphertextBlob: ciphertext,
        EncryptionContext: { 'heddle:purpose': purpose },
      }),
    ),
  )
  if (Plaintext === undefined) throw new Failure('signer-unavailable', `KMS opened nothing of ${purpose}`)
  return Plaintext
}

/** KMS gives PKCS #8 in DER. */
function privateKeyOf(bytes: Uint8Array, purpose: string): KeyObject {
  try {
    const key = createPrivateKey({ key: Buffer.from(bytes), format: 'der', type: 'pkcs8' })
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // Its bytes are no part of any message.
  } finally {
    bytes.fill(0)
  }
  throw new Failure('metadata-untrusted', `what is sealed as ${purpose} is no Ed25519 key`)
}

async function answer<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (cause) {
    throw new Failure('signer-unavailable', `KMS does not answer: ${(cause as Error).message}`, { cause })
  }
}
