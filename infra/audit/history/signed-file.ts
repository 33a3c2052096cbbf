/**
 * A metadata file and who signed it. Our writer stores the very bytes that were signed, so most files need no
 * canonical form made anew: 100 KB of policy targets ten thousand times would be half a minute of that alone.
 */
import { type KeyObject, verify } from 'node:crypto'
import { checkKeys, publicKeyOf } from '../../../agent/trust/keys.ts'
import type { Key } from '@tufjs/models'
import { canonicalJson, type Json } from '../../../pipelines/contract/canonical-json.ts'

/** Signatures of a file that are looked at. */
const MAX_SIGNATURES = 64

/** Who must sign: `threshold` of these keys, by id. */
export type Quorum = { keys: ReadonlyMap<string, KeyObject>; threshold: number }

/** A role's quorum out of a root or of delegations. Throws Failure('metadata-untrusted') for keys that weaken it. */
export function quorumOf(
  role: { keyIDs: readonly string[]; threshold: number },
  keys: Record<string, Key>,
): Quorum {
  checkKeys(keys)
  const known = role.keyIDs.flatMap((id): [string, KeyObject][] => {
    const hex = Object.hasOwn(keys, id) ? keys[id]?.keyVal['public'] : undefined
    return hex === undefined ? [] : [[id, publicKeyOf(Buffer.from(hex, 'hex'))]]
  })
  return { keys: new Map(known), threshold: role.threshold }
}

/** What the quorum has signed, as JSON; undefined = it has not, or it is no signed file. */
export function openSigned(bytes: Uint8Array, quorum: Quorum): unknown {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const at = file.indexOf(',"signed":')
  if (at < 0) return openAnew(file, quorum)
  try {
    // What is read is what was signed: the file around it only carries the signatures.
    const message = file.subarray(at + ',"signed":'.length, file.length - 1)
    const { signatures } = JSON.parse(`${file.toString('utf8', 0, at)}}`)
    if (isSigned(message, signatures, quorum)) return JSON.parse(message.toString('utf8'))
  } catch {
    // Another order of members, or no JSON: the slow way decides.
  }
  return openAnew(file, quorum)
}

/** Whoever wrote it: the canonical form of what is signed is made anew. */
function openAnew(file: Buffer, quorum: Quorum): unknown {
  try {
    const { signed, signatures } = JSON.parse(file.toString('utf8'))
    const message = Buffer.from(canonicalJson(signed as Json))
    return isSigned(message, signatures, quorum) ? signed : undefined
  } catch {
    return undefined
  }
}

/** Distinct keys count: one that signs twice counts once. */
function isSigned(message: Uint8Array, signatures: unknown, { keys, threshold }: Quorum): boolean {
  if (!Array.isArray(signatures) || threshold < 1) return false
  const signers = new Set<string>()
  for (const { keyid, sig } of signatures.slice(0, MAX_SIGNATURES)) {
    const key = keys.get(keyid)
    if (key === undefined || signers.has(keyid)) continue
    if (verify(null, message, key, Buffer.from(String(sig), 'hex'))) signers.add(keyid)
    if (signers.size >= threshold) return true
  }
  return false
}
