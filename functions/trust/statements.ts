/** Statements outside TUF: DSSE envelopes made with the ports' asynchronous signers. */
import { canonicalJson, type Json } from '../../pipelines/contract/canonical-json.ts'
import { type DsseSignature, type PayloadType, pae, seal } from '../../pipelines/contract/dsse.ts'
import { keyIdOf } from './keys.ts'
import { encode } from './metadata.ts'
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
