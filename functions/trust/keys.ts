/** Ed25519 keys as TUF and DSSE name them. */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { Key } from '@tufjs/models'
import { canonicalJson } from '../../pipelines/contract/canonical-json.ts'
import { isWeakEd25519Key } from '../../pipelines/contract/ed25519-keys.ts'
import { Failure } from '../../pipelines/contract/failures.ts'

/** SubjectPublicKeyInfo of Ed25519 up to the key's 32 bytes (RFC 8410, 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** The TUF form of a public key; its id is the SHA-256 of its canonical JSON (TUF 4.2). Refuses weak keys. */
export function tufKey(publicKey: Uint8Array): Key {
  if (isWeakEd25519Key(publicKey)) {
    throw new Failure('metadata-untrusted', 'the Ed25519 key is of small order or not canonical')
  }
  const form = {
    keytype: 'ed25519',
    scheme: 'ed25519',
    keyval: { public: Buffer.from(publicKey).toString('hex') },
  }
  const keyID = createHash('sha256').update(canonicalJson(form)).digest('hex')
  return Key.fromJSON(keyID, form)
}

export const keyIdOf = (publicKey: Uint8Array): string => tufKey(publicKey).keyID

/** For node:crypto's verify. */
export function publicKeyObject(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' })
}
