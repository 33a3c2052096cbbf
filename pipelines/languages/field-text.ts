/** Names and values as a header field may have them (RFC 9110 5.1, 5.5). */
import { isTokenByte } from '../protocols/http1-grammar.ts'

export const isToken = (text: string) =>
  text !== '' && [...text].every((character) => isTokenByte(character.charCodeAt(0)))

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the bytes that a value may not have
const NEVER = /[\u0000-\u0008\u000a-\u001f\u007f]/
const BLANK_FIRST = /^[ \t]/
const BLANK_LAST = /[ \t]$/

/** Bytes that may stand inside a value. */
export const isFieldText = (text: string) => !NEVER.test(text)

/** Can a value be, start with or end with this text? Blanks around a value are trimmed. */
export function mayBeValue(text: string, part: 'exact' | 'prefix' | 'suffix' = 'exact'): boolean {
  if (!isFieldText(text)) return false
  if (part !== 'suffix' && BLANK_FIRST.test(text)) return false
  return part === 'prefix' || !BLANK_LAST.test(text)
}
