/**
 * What the transparency log says of an artifact, and who keeps that log. The log says that something was
 * published, for everyone to see; by whom, the signatures say.
 */
import { z } from 'zod'
import { utf8 } from '../bytes.ts'
import type { Log } from '../log/checkpoint.ts'
import { parseKey } from '../log/signed-note.ts'
import { Digest } from './artifact.ts'
import { canonicalJson } from './canonical-json.ts'
import { isWeakEd25519Key } from './ed25519-keys.ts'

/** Target of the offline code role: a stolen online key can't bring a log of its own. */
export const LOG_TARGET = 'code/log.json'
/** Keys of a log that a reader takes: one, and those of rotations since whose proofs still count. */
const MAX_LOG_KEYS = 16

/** `keys`: `name+hash+key` of https://c2sp.org/signed-note; every name is the origin. */
export const LogTarget = z.strictObject({
  schema: z.literal('heddle.log/1'),
  origin: z.string().regex(/^[^\s+]{1,256}$/),
  keys: z.array(z.string().max(512)).min(1).max(MAX_LOG_KEYS),
})
export type LogTarget = z.infer<typeof LogTarget>

/** Digests alone: an entry is read by everyone, and has at most 65,535 bytes. */
export const LogEntry = z.strictObject({
  schema: z.literal('heddle.log-entry/1'),
  artifact: Digest,
  /** Of the DSSE envelope. */
  provenance: Digest,
  commit: z.string().regex(/^[0-9a-f]{40,64}$/),
})
export type LogEntry = z.infer<typeof LogEntry>

/** The bytes that the log hashes: canonical, so that one publication is one entry. */
export function logEntryBytes(entry: Omit<LogEntry, 'schema'>): Uint8Array {
  return utf8(canonicalJson({ schema: 'heddle.log-entry/1', ...entry }))
}

/** Undefined = no entry, or not in its one spelling. `text` is the entry's UTF-8. */
export function readLogEntry(text: string): LogEntry | undefined {
  try {
    const entry = LogEntry.parse(JSON.parse(text))
    return canonicalJson(entry) === text ? entry : undefined
  } catch {
    return undefined
  }
}

/** The log that the target names. Undefined = a key of it is none, is weak, or is that of another origin. */
export function logOf(target: LogTarget, crypto: Pick<Log, 'sha256' | 'verify'>): Log | undefined {
  const keys = target.keys.map((text) => parseKey(crypto.sha256, text))
  const good = keys.flatMap((key) =>
    key !== undefined && key.name === target.origin && !isWeakEd25519Key(key.publicKey) ? [key] : [],
  )
  return good.length === keys.length ? { origin: target.origin, keys: good, ...crypto } : undefined
}
