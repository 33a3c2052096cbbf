/** One piece of signed TUF metadata: signing it, its bytes, reading back what we wrote. */
import { createHash } from 'node:crypto'
import {
  type Metadata,
  type Root,
  Signature,
  type Snapshot,
  type Targets,
  type Timestamp,
} from '@tufjs/models'
import { canonicalJson, type Json } from '../../pipelines/contract/canonical-json.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Signer } from '../ports.ts'
import { keyIdOf } from './keys.ts'

export const SPEC_VERSION = '1.0.31'
/** Bytes of one metadata file; the limit that tuf-js puts on targets by default. */
export const MAX_METADATA_BYTES = 5_000_000

export type AnyMetadata = Metadata<Root> | Metadata<Targets> | Metadata<Snapshot> | Metadata<Timestamp>

/** Signs with every signer; signatures that were there go. Returns the file's bytes. */
export async function sign(metadata: AnyMetadata, signers: readonly Signer[]): Promise<Uint8Array> {
  // @tufjs/models signs synchronously, a KMS does not: take the message first, sign it after.
  let message = Buffer.alloc(0)
  metadata.sign((bytes) => {
    message = Buffer.from(bytes)
    return new Signature({ keyID: '', sig: '' })
  }, false)
  metadata.signatures = {}
  for (const signer of signers) {
    const keyID = keyIdOf(signer.publicKey)
    const sig = Buffer.from(await signer.sign(message)).toString('hex')
    metadata.signatures[keyID] = new Signature({ keyID, sig })
  }
  return encode(metadata.toJSON() as Json)
}

export const encode = (value: Json): Uint8Array => new Uint8Array(Buffer.from(canonicalJson(value)))

export const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Parses metadata that this writer itself has stored. Throws Failure('metadata-untrusted'). */
export function decode<T>(bytes: Uint8Array, read: (data: Record<string, never>) => T): T {
  try {
    return read(JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch (cause) {
    throw new Failure('metadata-untrusted', 'stored metadata is damaged', { cause })
  }
}

/** True when enough of the keys that `delegator` names for the role have signed; one key counts once. */
export function isSigned(
  delegator: Metadata<Root> | Metadata<Targets>,
  role: string,
  metadata: AnyMetadata,
): boolean {
  try {
    delegator.verifyDelegate(role, metadata)
    return true
  } catch {
    return false
  }
}

/** ISO 8601 in whole seconds, as TUF 4.2 wants it. */
export const expiry = (now: Date, lifetimeMs: number): string =>
  new Date(now.getTime() + lifetimeMs).toISOString().replace(/\.\d+Z$/, 'Z')
