/** Escapes and bracket classes: the parts of RE2's syntax that name characters. */
import { type ByteSet, complement, foldCase, NO_BYTES, range, single } from './byte-set.ts'
import { PERL, POSIX } from './regex-class.ts'
import type { Cursor } from './regex-cursor.ts'

const CONTROL: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 }
const HEX = /x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))/y
const OCTAL = /0[0-7]{0,2}|[1-7][0-7]{1,2}/y
const POSIX_NAME = /\[:(\^?)([^:\]]*):\]/y
const LAST_CODE_POINT = 0x10ffff

/** Read the rest of an escape that names one character; the backslash is consumed. */
export function escapedCodePoint(cursor: Cursor): number {
  const start = cursor.at - 1
  const hex = cursor.match(HEX)
  if (hex) {
    const point = Number.parseInt(hex[1] ?? hex[2] ?? '', 16)
    if (!(point <= LAST_CODE_POINT)) cursor.fail('a character number is at most 10FFFF', start)
    if (point >= 0xd800 && point <= 0xdfff) cursor.fail('half of a surrogate pair is no character', start)
    return point
  }
  const octal = cursor.match(OCTAL)
  if (octal) return Number.parseInt(octal[0], 8)
  if (cursor.done) cursor.fail('a pattern may not end in a backslash', start)
  const next = cursor.peek()
  const control = CONTROL[next]
  if (control !== undefined) {
    cursor.at++
    return control
  }
  if (/[1-9]/.test(next)) cursor.fail('backreferences are not part of RE2', start)
  if (next === 'p' || next === 'P')
    cursor.fail('unicode classes are not supported: matching is on bytes', start)
  if (next === 'k') cursor.fail('backreferences are not part of RE2', start)
  if (/[A-Za-z]/.test(next)) cursor.fail(`\\${next} is no escape of RE2`, start)
  const point = cursor.codePoint()
  if (point > 0x7f) cursor.fail('only ASCII characters may be escaped', start)
  return point
}

/** \d \D \s \S \w \W at a backslash, or null with the cursor unmoved. */
export function perlClass(cursor: Cursor): ByteSet | null {
  const letter = cursor.peek(1)
  const set = PERL[letter.toLowerCase()]
  if (cursor.peek() !== '\\' || letter === '' || set === undefined) return null
  cursor.at += 2
  return letter === letter.toLowerCase() ? set : complement(set)
}

function posixClass(cursor: Cursor, fold: boolean): ByteSet | null {
  const start = cursor.at
  const found = cursor.match(POSIX_NAME)
  if (!found) return null
  const set = Object.hasOwn(POSIX, found[2] ?? '') ? POSIX[found[2] ?? ''] : undefined
  if (set === undefined) cursor.fail(`${found[0]} is no character class`, start)
  const folded = fold ? foldCase(set) : set
  return found[1] === '^' ? complement(folded) : folded
}

function classMember(cursor: Cursor): number {
  const start = cursor.at
  const point = cursor.take('\\') ? escapedCodePoint(cursor) : cursor.codePoint()
  if (point > 0x7f) {
    cursor.fail('a class names ASCII only, as matching is on bytes: write (?:x|y) instead of [xy]', start)
  }
  return point
}

/** A bracket expression; the cursor stands on its '['. */
export function bracketClass(cursor: Cursor, fold: boolean): ByteSet {
  const start = cursor.at
  cursor.at++
  const negated = cursor.take('^')
  let set = NO_BYTES
  for (let first = true; first || cursor.peek() !== ']'; first = false) {
    if (cursor.done) cursor.fail('this [ has no ]', start)
    const named = perlClass(cursor) ?? posixClass(cursor, fold)
    if (named !== null) {
      set |= named
      continue
    }
    const at = cursor.at
    const low = classMember(cursor)
    let high = low
    if (cursor.peek() === '-' && cursor.peek(1) !== ']' && cursor.peek(1) !== '') {
      cursor.at++
      high = classMember(cursor)
      if (high < low) cursor.fail('this range ends before it begins', at)
    }
    const members = low === high ? single(low) : range(low, high)
    set |= fold ? foldCase(members) : members
  }
  cursor.at++
  return negated ? complement(set) : set
}
