/** The states of the reference parser, one small function each: byte in, next state or end out. */
import {
  CR,
  digitValue,
  HTAB,
  hexValue,
  isBinaryByte,
  isTargetByte,
  isTokenByte,
  isValueByte,
  byteText,
  LF,
  MAX_CHUNK_DIGITS,
  MAX_HEAD_BYTES,
  MAX_METHOD_BYTES,
  type RefusalReason,
  SP,
} from './http1-grammar.ts'
import { type Extension, extensionMayEnd, newExtension, readExtension } from './http1-extension.ts'
import { emptyField, endField, type FieldReader, nameEnd, readValue } from './http1-fields.ts'
import type { Field } from './http1-request.ts'

export type State =
  | 'method'
  | 'preface'
  | 'target-start'
  | 'asterisk'
  | 'target'
  | 'version'
  | 'version-digit'
  | 'version-cr'
  | 'request-lf'
  | 'line-start'
  | 'name'
  | 'value'
  | 'value-lf'
  | 'end-lf'
  | 'head-done'
  | 'body'
  | 'chunk-size'
  | 'chunk-extension'
  | 'chunk-lf'
  | 'chunk-data'
  | 'data-cr'
  | 'data-lf'
  | 'trailer-done'

export type OtherProtocol = 'tls' | 'http2' | 'other-protocol'
export type Stop = { refused: RefusalReason } | { found: OtherProtocol }
export type Step = (cursor: Cursor, byte: number) => State | Stop

/** Everything the parser remembers of the message at hand. */
export type Cursor = {
  /** Stream offset of the message's first byte. */
  start: number
  /** True until the first head of the connection is done. */
  first: boolean
  /** Bytes of the head, or of the trailer section, so far. */
  section: number
  trailers: boolean
  method: number[]
  target: number[]
  /** Bytes matched of the text that must stand here (preface, version). */
  matched: number
  version: '1.0' | '1.1'
  fields: Field[]
  field: FieldReader
  seen: { host: boolean; length: boolean; encoding: boolean }
  length: number
  /** Data bytes still to come in this body or chunk. */
  remaining: bigint
  digits: number
  extension: Extension
  /** An offer of h2c is no error: the caller ignores it. */
  takesH2c: boolean
}

const PREFACE_REST = '* HTTP/2.0'
const VERSION_START = 'HTTP/1.'
const TLS_HANDSHAKE = 0x16
const SLASH = 0x2f
const ASTERISK = 0x2a
const COLON = 0x3a
const SEMICOLON = 0x3b

const refuse = (reason: RefusalReason): Stop => ({ refused: reason })

/** State of a message that starts at a stream offset. */
export function newMessage(start: number, takesH2c: boolean): Cursor {
  return {
    start,
    first: false,
    section: 0,
    trailers: false,
    method: [],
    target: [],
    matched: 0,
    version: '1.1',
    fields: [],
    field: emptyField(),
    seen: { host: false, length: false, encoding: false },
    length: 0,
    remaining: 0n,
    digits: 0,
    extension: newExtension(),
    takesH2c,
  }
}

export const newCursor = (takesH2c: boolean): Cursor => ({ ...newMessage(0, takesH2c), first: true })

/** Wrap a step of a head or trailer section: its bytes count toward the limit. */
function counted(step: Step): Step {
  return (cursor, byte) => {
    cursor.section += 1
    if (cursor.section > MAX_HEAD_BYTES) return refuse('head-too-large')
    return step(cursor, byte)
  }
}

const method: Step = (cursor, byte) => {
  const length = cursor.method.length
  if (cursor.first) {
    if (length === 0 && byte === TLS_HANDSHAKE) return { found: 'tls' }
    if (length === 0 ? isBinaryByte(byte) : byte === CR || byte === LF) return { found: 'other-protocol' }
  }
  if (byte === SP && length > 0) {
    const name = byteText(cursor.method)
    if (name === 'PRI' && cursor.first) return 'preface'
    return name === 'CONNECT' || name === 'PRI' ? refuse('bad-method') : 'target-start'
  }
  if (!isTokenByte(byte)) return refuse('bad-method')
  if (length === MAX_METHOD_BYTES) return refuse('bad-method')
  cursor.method.push(byte)
  return 'method'
}

/** `PRI ` has been read: only HTTP/2's preface goes on like this (RFC 9113 3.4). */
const preface: Step = (cursor, byte) => {
  const { matched } = cursor
  cursor.matched += 1
  if (byte !== PREFACE_REST.charCodeAt(matched)) return refuse('bad-method')
  return cursor.matched === PREFACE_REST.length ? { found: 'http2' } : 'preface'
}

const targetStart: Step = (cursor, byte) => {
  cursor.target.push(byte)
  if (byte === SLASH) return 'target'
  const asterisk = byte === ASTERISK && byteText(cursor.method) === 'OPTIONS'
  return asterisk ? 'asterisk' : refuse('bad-target')
}

const asterisk: Step = (_cursor, byte) => (byte === SP ? 'version' : refuse('bad-target'))

const target: Step = (cursor, byte) => {
  if (byte === SP) return 'version'
  if (!isTargetByte(byte)) return refuse('bad-target')
  cursor.target.push(byte)
  return 'target'
}

const version: Step = (cursor, byte) => {
  if (byte !== VERSION_START.charCodeAt(cursor.matched)) return refuse('bad-version')
  cursor.matched += 1
  return cursor.matched === VERSION_START.length ? 'version-digit' : 'version'
}

const versionDigit: Step = (cursor, byte) => {
  const digit = digitValue(byte)
  if (digit !== 0 && digit !== 1) return refuse('bad-version')
  cursor.version = digit === 0 ? '1.0' : '1.1'
  return 'version-cr'
}

const lineFeed =
  (next: State): Step =>
  (_cursor, byte) =>
    byte === LF ? next : refuse('bad-line-end')

const lineStart: Step = (cursor, byte) => {
  if (byte === CR) return 'end-lf'
  if (byte === LF) return refuse('bad-line-end')
  if (byte === SP || byte === HTAB) return refuse('obs-fold')
  cursor.field = emptyField()
  return byte === COLON ? refuse('bad-field-name') : name(cursor, byte)
}

const name: Step = (cursor, byte) => {
  if (byte === COLON) {
    const reason = nameEnd(cursor)
    return reason === undefined ? 'value' : refuse(reason)
  }
  if (byte === CR || byte === LF) return refuse('bad-line-end')
  if (!isTokenByte(byte)) return refuse('bad-field-name')
  cursor.field.name.push(byte)
  return 'name'
}

const value: Step = (cursor, byte) => {
  if (byte === LF) return refuse('bad-line-end')
  if (byte !== CR && !isValueByte(byte)) return refuse('bad-field-value')
  const reason = byte === CR ? endField(cursor) : readValue(cursor, byte)
  if (reason !== undefined) return refuse(reason)
  return byte === CR ? 'value-lf' : 'value'
}

const endLf: Step = (cursor, byte) => {
  if (byte !== LF) return refuse('bad-line-end')
  if (cursor.trailers) return 'trailer-done'
  const { host, length, encoding } = cursor.seen
  if (cursor.version === '1.1' && !host) return refuse('bad-host')
  if (length && encoding) return refuse('length-and-chunked')
  return cursor.version === '1.0' && encoding ? refuse('bad-transfer-encoding') : 'head-done'
}

const chunkSize: Step = (cursor, byte) => {
  const digit = hexValue(byte)
  if (digit !== undefined) {
    if (cursor.digits === MAX_CHUNK_DIGITS) return refuse('bad-chunk')
    cursor.digits += 1
    cursor.remaining = cursor.remaining * 16n + BigInt(digit)
    return 'chunk-size'
  }
  if (cursor.digits === 0) return refuse('bad-chunk')
  if (byte === CR) return 'chunk-lf'
  if (byte !== SEMICOLON) return refuse('bad-chunk')
  cursor.extension = newExtension()
  return 'chunk-extension'
}

const chunkExtension: Step = (cursor, byte) => {
  if (byte === CR) return extensionMayEnd(cursor.extension) ? 'chunk-lf' : refuse('bad-chunk')
  return readExtension(cursor.extension, byte) ? 'chunk-extension' : refuse('bad-chunk')
}

const chunkLf: Step = (cursor, byte) => {
  if (byte !== LF) return refuse('bad-chunk')
  cursor.digits = 0
  if (cursor.remaining > 0n) return 'chunk-data'
  cursor.trailers = true
  cursor.section = 0
  return 'line-start'
}

/** Data states are skipped by the parser, done states are left before the next byte. */
const unreachable: Step = (_cursor, _byte) => refuse('bad-chunk')

export const STEPS: Record<State, Step> = {
  method: counted(method),
  preface: counted(preface),
  'target-start': counted(targetStart),
  asterisk: counted(asterisk),
  target: counted(target),
  version: counted(version),
  'version-digit': counted(versionDigit),
  'version-cr': counted((_cursor, byte) => (byte === CR ? 'request-lf' : refuse('bad-line-end'))),
  'request-lf': counted(lineFeed('line-start')),
  'line-start': counted(lineStart),
  name: counted(name),
  value: counted(value),
  'value-lf': counted(lineFeed('line-start')),
  'end-lf': counted(endLf),
  'head-done': unreachable,
  body: unreachable,
  'chunk-size': chunkSize,
  'chunk-extension': chunkExtension,
  'chunk-lf': chunkLf,
  'chunk-data': unreachable,
  'data-cr': (_cursor, byte) => (byte === CR ? 'data-lf' : refuse('bad-chunk')),
  'data-lf': (_cursor, byte) => (byte === LF ? 'chunk-size' : refuse('bad-chunk')),
  'trailer-done': unreachable,
}
