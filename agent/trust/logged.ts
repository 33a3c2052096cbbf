/**
 * Everyone could see the artifact before we run it: the log that the offline code key names has an entry of it. A
 * builder whose key is stolen can't publish in secret.
 * Source: https://c2sp.org/tlog-proof, "Verifying a tlog proof"
 */
import { createHash, verify } from 'node:crypto'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { LOG_TARGET, LogTarget, logEntryBytes, logOf } from '../../pipelines/contract/log.ts'
import type { PolicyCustom } from '../../pipelines/contract/object-keys.ts'
import { type Checkpoint, type Log, MAX_PROOF_BYTES, provenIn } from '../../pipelines/log/checkpoint.ts'
import type { Logged } from '../cache.ts'
import type { Store } from '../ports.ts'
import { decode, MAX_TARGET_BYTES, readStoreBlob, readTarget } from './content.ts'
import { publicKeyOf } from './keys.ts'
import type { TrustedMetadata } from './metadata.ts'
import { text } from './release.ts'

const crypto: Pick<Log, 'sha256' | 'verify'> = {
  sha256: (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest()),
  verify: (key, message, signature) => verify(null, message, publicKeyOf(key), signature),
}

type About = { artifact: Digest; custom: PolicyCustom }

/**
 * What shows that the artifact is logged; null where the code key names no log. Throws
 * Failure('artifact-unlogged' | 'code-untrusted'), and as readTarget does.
 */
export async function readLogged(
  store: Store,
  metadata: TrustedMetadata,
  about: About,
): Promise<Logged | null> {
  const target = metadata.target('code', LOG_TARGET)
  if (target === undefined) return null
  const log = text(await readTarget(store, target, MAX_TARGET_BYTES))
  if (about.custom.proof === undefined)
    throw new Failure('artifact-unlogged', `${about.artifact} is listed without a proof from the log`)
  const proof = text(await readStoreBlob(store, about.custom.proof, { max: MAX_PROOF_BYTES }))
  checkLogged({ log, proof }, about)
  return { log, proof }
}

/** The log's tree that the proof shows the entry in. Throws Failure('artifact-unlogged' | 'code-untrusted'). */
export function checkLogged({ log: raw, proof }: Logged, { artifact, custom }: About): Checkpoint {
  const log = logOf(decode(Buffer.from(raw), LogTarget, 'code-untrusted', LOG_TARGET), crypto)
  if (log === undefined) throw new Failure('code-untrusted', `${LOG_TARGET} names keys that are none`)
  const { provenance, commit } = custom
  const checkpoint = provenIn(log, logEntryBytes({ artifact, provenance, commit }), proof)
  if (checkpoint !== undefined) return checkpoint
  throw new Failure('artifact-unlogged', `log ${log.origin} does not show ${artifact}, built from ${commit}`)
}
