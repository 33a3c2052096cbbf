/**
 * The log that the code key names, and the functions' writing of it. A key of the functions that the target does
 * not list signs nothing: nodes would refuse its proofs.
 */
import { Failure } from '../../pipelines/contract/failures.ts'
import { LOG_TARGET, LogTarget, logOf, readLogEntry } from '../../pipelines/contract/log.ts'
import { targetKey } from '../../pipelines/contract/object-keys.ts'
import type { Log } from '../../pipelines/log/checkpoint.ts'
import type { EntryLog, ObjectStore, Signer } from '../ports.ts'
import { readAuthority } from '../trust/authority.ts'
import { sha256Hex } from '../trust/metadata.ts'
import { logCrypto } from './log-reader.ts'
import { TransparencyLog } from './transparency-log.ts'

/** Bytes: sixteen keys with names of 256 characters stay below it. */
const MAX_LOG_TARGET_BYTES = 16_384

/** What the code key says of the log, from the trusted root on. Undefined = it names none. */
export async function readLogTarget(
  store: Pick<ObjectStore, 'get'>,
  trustedRoot: Uint8Array,
): Promise<LogTarget | undefined> {
  const { code } = await readAuthority(store, trustedRoot)
  const file = code.metadata.signed.targets[LOG_TARGET]
  if (file === undefined) return undefined
  const hex = file.hashes['sha256'] ?? ''
  const stored = await store.get(targetKey(LOG_TARGET, hex), MAX_LOG_TARGET_BYTES)
  if (stored === undefined) throw new Failure('artifact-missing', `${LOG_TARGET} is not in the store`)
  if (sha256Hex(stored.bytes) !== hex)
    throw new Failure('artifact-tampered', `${LOG_TARGET} is not what the code key signed`)
  const parsed = LogTarget.safeParse(JSON.parse(Buffer.from(stored.bytes).toString('utf8')))
  if (!parsed.success) throw new Failure('metadata-untrusted', `${LOG_TARGET} is malformed`)
  return parsed.data
}

/** Throws Failure('metadata-untrusted' | 'artifact-missing' | 'artifact-tampered') also when there is none. */
export async function namedLog(store: Pick<ObjectStore, 'get'>, trustedRoot: Uint8Array): Promise<Log> {
  const target = await readLogTarget(store, trustedRoot)
  if (target === undefined) {
    throw new Failure('metadata-untrusted', `the code key names no log: heddle trust sign-code does`)
  }
  const log = logOf(target, logCrypto)
  if (log === undefined) throw new Failure('metadata-untrusted', `${LOG_TARGET} names keys that are none`)
  return log
}

/** Appends to the named log with those of these keys that it lists. */
export function namedLogWriter(parts: {
  store: ObjectStore
  signers: readonly Signer[]
  trustedRoot: Uint8Array
}): EntryLog {
  return {
    async append(entry) {
      const log = await namedLog(parts.store, parts.trustedRoot)
      const listed = new Set(log.keys.map(({ publicKey }) => Buffer.from(publicKey).toString('hex')))
      const signers = parts.signers.filter(({ publicKey }) =>
        listed.has(Buffer.from(publicKey).toString('hex')),
      )
      if (signers.length === 0) {
        const message = `${LOG_TARGET} names keys that are not here: give them to the functions and start them again`
        throw new Failure('metadata-untrusted', message, { detail: [`log ${log.origin}`] })
      }
      // A key that is listed no more has signed the last checkpoint, until the new one signs the next.
      const ours = parts.signers.map(({ publicKey }) => ({ name: log.origin, publicKey }))
      const known = { ...log, keys: [...log.keys, ...ours] }
      const isEntry = (bytes: Uint8Array) => readLogEntry(Buffer.from(bytes).toString('utf8')) !== undefined
      return new TransparencyLog(parts.store, { log: known, signers, isEntry }).append(entry)
    },
  }
}
