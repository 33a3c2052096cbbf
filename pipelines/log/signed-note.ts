/**
 * Signed notes: a text and who signed it, as text. Pure: whoever signs or verifies passes the crypto in.
 * Source: https://c2sp.org/signed-note, Ed25519 signatures (type 0x01) alone.
 */
import { fromBase64, toBase64 } from '../contract/dsse.ts'
import { sameBytes, utf8 } from '../bytes.ts'
import type { Sha256 } from './merkle.ts'

/** Bytes: a checkpoint with sixteen signatures has less than 3 KB. */
export const MAX_NOTE_BYTES = 16_384
/** Signatures that a note may carry, ours or not: a reader must take as many. */
const MAX_SIGNATURES = 16
const ED25519 = 1
const KEY_ID_BYTES = 4
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const NAME = /^[^\s+\p{C}]{1,256}$/u
/** Control characters but for line ends, and what is no UTF-8. */
const FORBIDDEN = /[^\n\P{Cc}]|\p{Cs}/u
const LINE = /^— (\S+) (\S+)$/

/** Who signs notes: `publicKey` is 32 bytes. */
export type NoteKey = { name: string; publicKey: Uint8Array }
export type NoteSignature = { name: string; keyId: Uint8Array; signature: Uint8Array }
export type Note = { text: string; signatures: NoteSignature[] }
export type Verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean

/** SHA-256(name LF type key), its first four bytes. */
export function keyId(sha256: Sha256, { name, publicKey }: NoteKey): Uint8Array {
  const head = utf8(`${name}\n`)
  const whole = new Uint8Array(head.length + 1 + publicKey.length)
  whole.set(head)
  whole[head.length] = ED25519
  whole.set(publicKey, head.length + 1)
  return sha256(whole).subarray(0, KEY_ID_BYTES)
}

/** `name+hash+key`: how a key is told to others. */
export function formatKey(sha256: Sha256, key: NoteKey): string {
  const typed = Uint8Array.of(ED25519, ...key.publicKey)
  const hash = [...keyId(sha256, key)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${key.name}+${hash}+${toBase64(typed)}`
}

/** Undefined = no key of a kind that is taken here, or its parts do not belong together. */
export function parseKey(sha256: Sha256, text: string): NoteKey | undefined {
  const [name = '', , ...rest] = text.split('+')
  const base64 = rest.join('+')
  if (!NAME.test(name) || !BASE64.test(base64)) return undefined
  const typed = fromBase64(base64)
  if (typed.length !== 1 + KEY_BYTES || typed[0] !== ED25519) return undefined
  const key = { name, publicKey: typed.slice(1) }
  return formatKey(sha256, key) === text ? key : undefined
}

export function formatNote({ text, signatures }: Note): string {
  const lines = signatures.map(
    ({ name, keyId: id, signature }) => `— ${name} ${toBase64(Uint8Array.of(...id, ...signature))}\n`,
  )
  return `${text}\n${lines.join('')}`
}

/** Undefined = no note. What it says is not verified. */
export function parseNote(note: string): Note | undefined {
  if (note.length > MAX_NOTE_BYTES || FORBIDDEN.test(note)) return undefined
  const end = note.lastIndexOf('\n\n') + 1
  if (end < 2 || !note.endsWith('\n')) return undefined
  const lines = note.slice(end + 1, -1).split('\n')
  if (lines.length > MAX_SIGNATURES) return undefined
  const signatures: NoteSignature[] = []
  for (const line of lines) {
    const [, name = '', base64 = ''] = LINE.exec(line) ?? []
    if (!NAME.test(name) || !BASE64.test(base64)) return undefined
    const bytes = fromBase64(base64)
    if (bytes.length <= KEY_ID_BYTES) return undefined
    signatures.push({ name, keyId: bytes.slice(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) })
  }
  return { text: note.slice(0, end), signatures }
}

/**
 * Which of the known keys signed the note, each once. A signature under the name and number of a known key that
 * is not that key's makes all of the note void: []. Signatures of others say nothing.
 */
export function signersOf(
  note: Note,
  known: readonly NoteKey[],
  { sha256, verify }: { sha256: Sha256; verify: Verify },
): NoteKey[] {
  const message = utf8(note.text)
  const signers = new Set<NoteKey>()
  for (const { name, keyId: id, signature } of note.signatures) {
    const key = known.find((each) => each.name === name && sameBytes(keyId(sha256, each), id))
    if (!key) continue
    if (signature.length !== SIGNATURE_BYTES || !verify(key.publicKey, message, signature)) return []
    signers.add(key)
  }
  return [...signers]
}
