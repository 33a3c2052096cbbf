/** Field lines: names that frame a message or tell where it goes, and their values byte by byte. */
import {
  byteText,
  digitValue,
  foldByte,
  HTAB,
  MAX_LENGTH_DIGITS,
  type RefusalReason,
  SP,
} from './http1-grammar.ts'
import type { Field } from './http1-request.ts'

type Kind = 'other' | 'host' | 'length' | 'encoding' | 'upgrade'

/** A field being read. */
export type FieldReader = {
  name: number[]
  value: number[]
  kind: Kind
  /** Bytes of the value that the kind's own grammar has taken. */
  taken: number
  /** Whitespace was seen behind the value: nothing else may follow. */
  trailing: boolean
}

/** What a field needs to know, and to change, of its message. */
type Message = {
  trailers: boolean
  fields: Field[]
  field: FieldReader
  seen: { host: boolean; length: boolean; encoding: boolean }
  length: number
}

const KINDS: Record<string, Kind> = {
  host: 'host',
  'content-length': 'length',
  'transfer-encoding': 'encoding',
  upgrade: 'upgrade',
}
const NOT_IN_TRAILERS = ['content-length', 'transfer-encoding', 'host', 'connection', 'upgrade']
const DUPLICATE = {
  host: 'bad-host',
  length: 'length-twice',
  encoding: 'bad-transfer-encoding',
} as const
const CHUNKED = 'chunked'
const H2C = 'h2c'

export const emptyField = (): FieldReader => ({
  name: [],
  value: [],
  kind: 'other',
  taken: 0,
  trailing: false,
})

const isSpace = (byte: number) => byte === SP || byte === HTAB

/** The colon behind a name: is a field of this name welcome here? */
export function nameEnd(message: Message): RefusalReason | undefined {
  const name = byteText(message.field.name.map(foldByte))
  if (message.trailers) return NOT_IN_TRAILERS.includes(name) ? 'bad-trailer' : undefined
  const kind = Object.hasOwn(KINDS, name) ? (KINDS[name] as Kind) : 'other'
  message.field.kind = kind
  if (kind === 'other' || kind === 'upgrade') return undefined
  if (message.seen[kind]) return DUPLICATE[kind]
  message.seen[kind] = true
  return undefined
}

/** 1*15DIGIT. A sixteenth digit is refused, leading zeros are not: their value is no secret. */
function readLength(message: Message, byte: number): RefusalReason | undefined {
  const digit = digitValue(byte)
  if (digit === undefined || message.field.trailing || message.field.taken === MAX_LENGTH_DIGITS) {
    return 'bad-content-length'
  }
  message.field.taken += 1
  message.length = message.length * 10 + digit
  return undefined
}

/** Exactly `chunked`: any other coding would need a reader that the kernel lacks (RFC 9112 6.1). */
function readEncoding({ field }: Message, byte: number): RefusalReason | undefined {
  if (field.trailing || foldByte(byte) !== CHUNKED.charCodeAt(field.taken)) return 'bad-transfer-encoding'
  field.taken += 1
  return undefined
}

/** `h2c` anywhere in the value: such an upgrade would leave the parser behind (RFC 9113 3.1). */
function readUpgrade({ field }: Message, byte: number): RefusalReason | undefined {
  const folded = foldByte(byte)
  if (folded === H2C.charCodeAt(field.taken)) field.taken += 1
  else field.taken = folded === H2C.charCodeAt(0) ? 1 : 0
  return field.taken === H2C.length ? 'bad-upgrade' : undefined
}

/** One byte of a value, whitespace around it included. */
export function readValue(message: Message, byte: number): RefusalReason | undefined {
  const { field } = message
  if (isSpace(byte) && field.value.length === 0) return undefined
  field.value.push(byte)
  switch (field.kind) {
    case 'length':
    case 'encoding':
      if (isSpace(byte)) {
        field.trailing = true
        return undefined
      }
      return field.kind === 'length' ? readLength(message, byte) : readEncoding(message, byte)
    case 'upgrade':
      return readUpgrade(message, byte)
    case 'host':
    case 'other':
      return undefined
  }
}

/** The CR behind a value: the field is whole. */
export function endField(message: Message): RefusalReason | undefined {
  const { field } = message
  if (field.kind === 'length' && field.taken === 0) return 'bad-content-length'
  if (field.kind === 'encoding' && field.taken < CHUNKED.length) return 'bad-transfer-encoding'
  // Trailers are checked, never matched: what a policy reads is the head alone.
  if (message.trailers) return undefined
  while (field.value.length > 0 && isSpace(field.value[field.value.length - 1] as number)) field.value.pop()
  message.fields.push({ name: Uint8Array.from(field.name), value: Uint8Array.from(field.value) })
  return undefined
}
