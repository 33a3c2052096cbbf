/** Limits, byte classes and refusal names of the canonical HTTP/1.1 subset (RFC 9110, RFC 9112). */

/** Bytes of a request head, request line to empty line; of a trailer section likewise. */
export const MAX_HEAD_BYTES = 16384
/** Bytes of a method; the longest registered one has 17 (RFC 9110 16.1). */
export const MAX_METHOD_BYTES = 32
/** Digits of Content-Length: stays below 2^53, so that every reader agrees. */
export const MAX_LENGTH_DIGITS = 15
/** Hex digits of a chunk size: stays below 2^63. */
export const MAX_CHUNK_DIGITS = 15
/** Bytes of one chunk's extensions, behind their first ';'. */
export const MAX_CHUNK_EXTENSION_BYTES = 1024

export const HTAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20

/** Refusals by the names of `enum heddle_reason` (bpf/abi/heddle.h), with the status that is answered. */
export const REFUSALS = {
  'bad-method': 400,
  'bad-target': 400,
  'bad-version': 400,
  'bad-line-end': 400,
  'bad-field-name': 400,
  'obs-fold': 400,
  'bad-field-value': 400,
  'bad-host': 400,
  'bad-content-length': 400,
  'length-twice': 400,
  'length-and-chunked': 400,
  'bad-transfer-encoding': 400,
  'bad-upgrade': 400,
  'bad-chunk': 400,
  'bad-trailer': 400,
  'head-too-large': 431,
} as const satisfies Record<string, 400 | 431>

export type RefusalReason = keyof typeof REFUSALS

const SYMBOLS = "!#$%&'*+-.^_`|~"
const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39
const isLetter = (byte: number) => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a

/** tchar of RFC 9110 5.6.2. */
export function isTokenByte(byte: number): boolean {
  return isDigit(byte) || isLetter(byte) || SYMBOLS.includes(String.fromCharCode(byte))
}

/**
 * Bytes that nobody takes for the start of a request: neither text nor a blank
 * (0x1c-0x1f, 0x85 and 0xa0 are blanks to Python's split()).
 */
export function isBinaryByte(byte: number): boolean {
  const blank = (byte >= 9 && byte <= 13) || byte === 0x85 || byte === 0xa0
  return (byte < 0x1c || byte > 0x7e) && !blank
}

/** field-value bytes of RFC 9110 5.5, obs-text included. */
export function isValueByte(byte: number): boolean {
  return byte === HTAB || (byte >= SP && byte !== 0x7f)
}

/** Bytes of a request-target: VCHAR without the fragment mark (RFC 9112 3.2). */
export function isTargetByte(byte: number): boolean {
  return byte > SP && byte < 0x7f && byte !== 0x23
}

export function digitValue(byte: number): number | undefined {
  return isDigit(byte) ? byte - 0x30 : undefined
}

export function hexValue(byte: number): number | undefined {
  if (isDigit(byte)) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : undefined
}

/** ASCII letters to lower case, everything else as it is. */
export function foldByte(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
}

/** One character a byte (ISO 8859-1): for names, methods and messages, never for decoding. */
export function byteText(bytes: Iterable<number>): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}
