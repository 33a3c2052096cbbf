/** Statements outside TUF: DSSE envelopes made with the ports' asynchronous signers. */
import { verify } from 'node:crypto'
import { canonicalJson, type Json } from '../../pipelines/contract/canonical-json.ts'
import { type DsseSignature, open, type PayloadType, pae, seal } from '../../pipelines/contract/dsse.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { keyIdOf, publicKeyObject } from './keys.ts'
import { decode, encode } from './metadata.ts'
import type { RoleKeys } from './roles.ts'

/** Canonical bytes of the envelope around a statement's canonical JSON, signed by every key of the role. */
export async function signStatement(
  type: PayloadType,
  statement: object,
  keys: RoleKeys,
): Promise<Uint8Array> {
  const payload = new Uint8Array(Buffer.from(canonicalJson(statement as Json)))
  const signatures: DsseSignature[] = []
  for (const signer of keys.signers) {
    signatures.push({ keyid: keyIdOf(signer.publicKey), sig: await signer.sign(pae(type, payload)) })
  }
  return encode(seal(type, payload, () => signatures))
}

/** The statement in an envelope that these very keys have signed. Throws Failure('metadata-untrusted'). */
export function openStatement(type: PayloadType, envelope: Uint8Array, keys: RoleKeys): unknown {
  const known = new Map(keys.signers.map(({ publicKey }) => [keyIdOf(publicKey), publicKeyObject(publicKey)]))
  const read = (data: unknown) => open(data, { payloadType: type, threshold: keys.threshold }, isSigned)
  const opened = decode(envelope, read)
  if (!opened.ok)
    throw new Failure('metadata-untrusted', `a statement in the store is not ours: ${opened.why}`)
  return decode(opened.payload, (data): unknown => data)

  function isSigned(keyid: string, message: Uint8Array, signature: Uint8Array): boolean {
    const key = known.get(keyid)
    return key !== undefined && verify(null, message, key, signature)
  }
}
