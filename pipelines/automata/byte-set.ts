/**
 * A set of bytes as one 256-bit integer: bit b = byte b. Equal sets are equal
 * values, so that they are map keys without a detour.
 */
export type ByteSet = bigint

export const NO_BYTES: ByteSet = 0n
export const ALL_BYTES: ByteSet = (1n << 256n) - 1n

const SINGLES: readonly ByteSet[] = Array.from({ length: 256 }, (_, byte) => 1n << BigInt(byte))

/** The set of one byte (0..255). */
export function single(byte: number): ByteSet {
  return SINGLES[byte] ?? NO_BYTES
}

/** The set of the bytes first..last, both included. */
export function range(first: number, last: number): ByteSet {
  return first > last ? NO_BYTES : (1n << BigInt(last + 1)) - (1n << BigInt(first))
}

export function complement(set: ByteSet): ByteSet {
  return ALL_BYTES ^ set
}

/** The set with the other case of each ASCII letter added. */
export function foldCase(set: ByteSet): ByteSet {
  const upper = set & range(0x41, 0x5a)
  const lower = set & range(0x61, 0x7a)
  return set | (upper << 32n) | (lower >> 32n)
}

/** Membership as 256 bytes of 0 or 1: what an inner loop reads. */
export function membership(set: ByteSet): Uint8Array {
  const table = new Uint8Array(256)
  for (let byte = 0; byte < 256; byte++) table[byte] = Number((set >> BigInt(byte)) & 1n)
  return table
}
