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
  /** The word of a list that is being read, in lower case. */
  word: string
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
  /** An offer of h2c is the caller's to ignore, and no error. */
  takesH2c: boolean
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
const COMMA = 0x2c
const SLASH = 0x2f

export const emptyField = (): FieldReader => ({
  name: [],
  value: [],
  kind: 'other',
  taken: 0,
  word: '',
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

/**
 * `h2c` as a protocol of the list: such an upgrade would leave the parser behind
 * (RFC 9113 3.1). Known at what ends the word: blank, comma, slash or the value's end.
 */
function readUpgrade({ field, takesH2c }: Message, byte: number): RefusalReason | undefined {
  if (isSpace(byte) || byte === COMMA || byte === SLASH) {
    const found = field.word === H2C && !takesH2c
    field.word = ''
    return found ? 'bad-upgrade' : undefined
  }
  field.word += byteText([foldByte(byte)])
  return undefined
}

/** One byte of a value, whitespace around it included. */
export function readValue(message: Message, byte: number): RefusalReason | undefined {
  const { field } = message
  // "chunked<HTAB>" is no coding to llhttp, and a known way to hide one from other readers.
  if (byte === HTAB && field.kind === 'length') return 'bad-content-length'
  if (byte === HTAB && field.kind === 'encoding') return 'bad-transfer-encoding'
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
  if (field.kind === 'upgrade' && field.word === H2C && !message.takesH2c) return 'bad-upgrade'
  // Trailers are checked, never matched: what a policy reads is the head alone.
  if (message.trailers) return undefined
  while (field.value.length > 0 && isSpace(field.value[field.value.length - 1] as number)) field.value.pop()
  message.fields.push({ name: Uint8Array.from(field.name), value: Uint8Array.from(field.value) })
  return undefined
}
