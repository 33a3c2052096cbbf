/** The root of trust, looked at before it is pinned. */
import { TrustedMetadataStore } from 'tuf-js/dist/store.js'
import { Failure } from '../../pipelines/contract/failures.ts'
import { sha256 } from '../cache.ts'
import { checkKeys } from './keys.ts'

/** `fingerprint` is what two people compare over another channel. */
export type RootFacts = { version: number; expires: string; fingerprint: string }

/** A root that its own keys have signed, none of them weak. Throws Failure('metadata-untrusted'). */
export function checkRoot(raw: string): RootFacts {
  try {
    const { signed } = new TrustedMetadataStore(Buffer.from(raw)).root
    checkKeys(signed.keys)
    return { version: signed.version, expires: signed.expires, fingerprint: sha256(raw) }
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    throw new Failure('metadata-untrusted', 'the root is not signed by its own keys', { cause })
  }
}
