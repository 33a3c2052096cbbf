/** Named byte classes of RE2 (https://github.com/google/re2/wiki/Syntax), ASCII only. */
import { type ByteSet, range, single } from './byte-set.ts'

const DIGIT = range(0x30, 0x39)
const UPPER = range(0x41, 0x5a)
const LOWER = range(0x61, 0x7a)
const ALPHA = UPPER | LOWER
const SPACE = single(0x20)

export const WORD: ByteSet = DIGIT | ALPHA | single(0x5f)

/** \d, \s, \w; the upper-case letter is the complement. Note that \s has no \v. */
export const PERL: Readonly<Record<string, ByteSet>> = {
  d: DIGIT,
  s: range(0x09, 0x0a) | range(0x0c, 0x0d) | SPACE,
  w: WORD,
}

/** [[:name:]], and [[:^name:]] for the complement. */
export const POSIX: Readonly<Record<string, ByteSet>> = {
  alnum: DIGIT | ALPHA,
  alpha: ALPHA,
  ascii: range(0x00, 0x7f),
  blank: single(0x09) | SPACE,
  cntrl: range(0x00, 0x1f) | single(0x7f),
  digit: DIGIT,
  graph: range(0x21, 0x7e),
  lower: LOWER,
  print: range(0x20, 0x7e),
  punct: range(0x21, 0x2f) | range(0x3a, 0x40) | range(0x5b, 0x60) | range(0x7b, 0x7e),
  space: range(0x09, 0x0d) | SPACE,
  upper: UPPER,
  word: WORD,
  xdigit: DIGIT | range(0x41, 0x46) | range(0x61, 0x66),
}
