/**
 * RE2's syntax (https://github.com/google/re2/wiki/Syntax) with a meaning on bytes.
 *
 * - A literal outside ASCII, also as \x{e9}, is its UTF-8 bytes.
 * - `.`, \C, \D, \S, \W and negated classes are one byte each, so they take the bytes
 *   0x80..0xff singly, as RE2 does in Latin-1 mode. For `.*` this is the same as in UTF-8 mode,
 *   except that bytes which are no UTF-8 match as well: a byte that a server may
 *   see never falls out of the language.
 * - Classes and case folding know ASCII only; what would need more is refused with
 *   a reason, as is what RE2 itself refuses.
 */
import { RegexError } from './regex-cursor.ts'
import { assemble, type RegexProgram, run } from './regex-match.ts'
import type { RegexNode } from './regex-node.ts'
import { parsePattern } from './regex-parser.ts'

export type ParsedRegex =
  | { readonly ok: true; readonly node: RegexNode }
  | { readonly ok: false; readonly offset: number; readonly reason: string }

/** Parse a pattern. `offset` counts UTF-16 units from 0 in the pattern. */
export function parseRegex(pattern: string): ParsedRegex {
  try {
    return { ok: true, node: parsePattern(pattern) }
  } catch (error) {
    if (!(error instanceof RegexError)) throw error
    return { ok: false, offset: error.offset, reason: error.message }
  }
}

const programs = new WeakMap<RegexNode, RegexProgram>()

/**
 * Does the whole of `bytes` match? This is what a pattern means: automata and
 * kernel are tested against it. Time is linear in the input, never exponential.
 */
export function matchesFully(node: RegexNode, bytes: Uint8Array): boolean {
  const program = programs.get(node) ?? assemble(node)
  programs.set(node, program)
  return run(program, bytes)
}
