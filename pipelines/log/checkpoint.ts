/**
 * Checkpoints: what a log was at a size, as the text of a signed note; and the proof beside an artifact that the
 * log has it. Source: https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-proof
 */
import { fromBase64, toBase64 } from '../contract/dsse.ts'
import { leafHash, MAX_PROOF, provesInclusion, type Sha256, type Tree } from './merkle.ts'
import { MAX_NOTE_BYTES, type NoteKey, parseNote, signersOf, type Verify } from './signed-note.ts'

/** Bytes of a proof's text: 53 hashes of 45 characters, and the checkpoint. */
export const MAX_PROOF_BYTES = MAX_NOTE_BYTES + 4_096
const PROOF_HEAD = 'c2sp.org/tlog-proof@v1'
const HASH = /^[A-Za-z0-9+/]{43}=$/
/** No leading zero, and exact as a number. */
const NUMBER = /^(?:0|[1-9]\d{0,15})$/

export type Checkpoint = Tree & { origin: string }
/** A log by its origin, which is the name of each of its keys, and who may sign for it. */
export type Log = { origin: string; keys: readonly NoteKey[]; sha256: Sha256; verify: Verify }
/** `checkpoint`: the signed note, as the log wrote it. */
export type LogProof = { index: number; hashes: Uint8Array[]; checkpoint: string }

export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`
}

/** A note of this log, signed by it. Undefined = it is none. Extension lines are nobody's to check: none are taken. */
export function readCheckpoint(
  note: string,
  { origin: name, keys, sha256, verify }: Log,
): Checkpoint | undefined {
  const parsed = parseNote(note)
  if (!parsed || signersOf(parsed, keys, { sha256, verify }).length === 0) return undefined
  const [origin = '', size = '', root = '', end, ...more] = parsed.text.split('\n')
  if (origin !== name || end !== '' || more.length > 0) return undefined
  const number = numberOf(size)
  if (number === undefined || !HASH.test(root)) return undefined
  return { origin, size: number, root: fromBase64(root) }
}

export function formatProof({ index, hashes, checkpoint }: LogProof): string {
  return [PROOF_HEAD, `index ${index}`, ...hashes.map(toBase64), '', checkpoint].join('\n')
}

/** Undefined = no proof. What it says is not verified. */
export function parseProof(text: string): LogProof | undefined {
  if (text.length > MAX_PROOF_BYTES) return undefined
  const gap = text.indexOf('\n\n')
  if (gap < 0) return undefined
  const [head, ...lines] = text.slice(0, gap).split('\n')
  if (head !== PROOF_HEAD) return undefined
  if (lines[0]?.startsWith('extra ')) lines.shift() // says nothing that is to be trusted
  const [first = '', ...hashes] = lines
  const index = first.startsWith('index ') ? numberOf(first.slice('index '.length)) : undefined
  if (index === undefined || hashes.length > MAX_PROOF || !hashes.every((hash) => HASH.test(hash)))
    return undefined
  return { index, hashes: hashes.map(fromBase64), checkpoint: text.slice(gap + 2) }
}

/** The checkpoint of this log whose tree has the entry, by its proof. Undefined = that is not shown. */
export function provenIn(log: Log, entry: Uint8Array, text: string): Checkpoint | undefined {
  const proof = parseProof(text)
  const checkpoint = proof && readCheckpoint(proof.checkpoint, log)
  if (!proof || !checkpoint) return undefined
  const leaf = { index: proof.index, hash: leafHash(log.sha256, entry) }
  return provesInclusion(log.sha256, leaf, checkpoint, proof.hashes) ? checkpoint : undefined
}

function numberOf(text: string): number | undefined {
  const number = NUMBER.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(number) ? number : undefined
}
