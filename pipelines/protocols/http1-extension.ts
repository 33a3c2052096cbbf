/**
 * Chunk extensions: `*( ";" name [ "=" ( token / quoted-string ) ] )`, RFC 9112
 * 7.1.1 without blanks around marks and without escapes in quotes: what every
 * reader that checks them takes.
 */
import { isTokenByte, isValueByte, MAX_CHUNK_EXTENSION_BYTES } from './http1-grammar.ts'

export type Extension = {
  /** Bytes behind the first ';'. */
  bytes: number
  at: 'name-start' | 'name' | 'value-start' | 'token' | 'quoted' | 'after'
}

const QUOTE = 0x22
const SEMICOLON = 0x3b
const EQUALS = 0x3d
const BACKSLASH = 0x5c

/** Behind the first ';'. */
export const newExtension = (): Extension => ({ bytes: 0, at: 'name-start' })

export function extensionMayEnd({ at }: Extension): boolean {
  return at === 'name' || at === 'token' || at === 'after'
}

function next(at: Extension['at'], byte: number): Extension['at'] | undefined {
  if (at === 'quoted') {
    if (byte === QUOTE) return 'after'
    return byte !== BACKSLASH && isValueByte(byte) ? 'quoted' : undefined
  }
  if (isTokenByte(byte) && at !== 'after') return at === 'name-start' || at === 'name' ? 'name' : 'token'
  if (byte === QUOTE && at === 'value-start') return 'quoted'
  if (byte === EQUALS && at === 'name') return 'value-start'
  return byte === SEMICOLON && (at === 'name' || at === 'token' || at === 'after') ? 'name-start' : undefined
}

/** Take one byte; false when no extension goes on like this. */
export function readExtension(extension: Extension, byte: number): boolean {
  if (extension.bytes === MAX_CHUNK_EXTENSION_BYTES) return false
  extension.bytes += 1
  const at = next(extension.at, byte)
  if (at === undefined) return false
  extension.at = at
  return true
}
