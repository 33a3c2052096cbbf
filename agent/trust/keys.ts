/** Which keys may speak for a role, as plain Ed25519 keys. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { Key } from '@tufjs/models'
import { isWeakEd25519Key } from '../../pipelines/contract/ed25519-keys.ts'
import { Failure } from '../../pipelines/contract/failures.ts'

/** DER prefix of an Ed25519 SubjectPublicKeyInfo (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

export type Signers = {
  threshold: number
  verify(keyid: string, message: Uint8Array, signature: Uint8Array): boolean
}

/**
 * Refuse keys that would weaken a threshold: anything but Ed25519, keys of
 * small order (node:crypto takes forged signatures under them), and one key
 * under two ids (TUF counts ids, so it would meet a threshold of two alone).
 */
export function checkKeys(keys: Record<string, Key>): void {
  const seen = new Set<string>()
  for (const [id, key] of Object.entries(keys)) {
    const hex = (key.keyVal['public'] ?? '').toLowerCase()
    if (key.keyType !== 'ed25519' || key.scheme !== 'ed25519' || !/^[0-9a-f]{64}$/.test(hex)) {
      throw new Failure('metadata-untrusted', `key ${id} is no ed25519 key in hex`)
    }
    if (isWeakEd25519Key(Buffer.from(hex, 'hex'))) {
      throw new Failure('metadata-untrusted', `key ${id} is a weak ed25519 key`)
    }
    if (seen.has(hex)) throw new Failure('metadata-untrusted', `key ${id} appears under two ids`)
    seen.add(hex)
  }
}

export function signersOf(role: { keyIDs: string[]; threshold: number }, keys: Record<string, Key>): Signers {
  return {
    threshold: role.threshold,
    verify(keyid, message, signature) {
      const key = role.keyIDs.includes(keyid) && Object.hasOwn(keys, keyid) ? keys[keyid] : undefined
      const hex = key?.keyVal['public']
      if (hex === undefined || signature.length !== 64) return false
      return verify(null, message, publicKeyOf(Buffer.from(hex, 'hex')), signature)
    },
  }
}

/** For node:crypto's verify; `key` is the 32 bytes of RFC 8032. */
export function publicKeyOf(key: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, key]), format: 'der', type: 'spki' })
}
