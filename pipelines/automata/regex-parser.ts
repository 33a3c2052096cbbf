/** Recursive descent over RE2's syntax; throws RegexError. Entered through regex.ts. */
import { ALL_BYTES, complement, foldCase, single } from './byte-set.ts'
import { Cursor } from './regex-cursor.ts'
import { bracketClass, escapedCodePoint, perlClass } from './regex-escape.ts'
import {
  type Assertion,
  EMPTY,
  programSize,
  type RegexNode,
  repetitionProduct,
  setNode,
} from './regex-node.ts'

/** Copies that a counted repetition may ask for, also when nested. RE2's own limit. */
const MAX_REPETITION = 1000
/** Groups inside groups. RE2's own limit. */
const MAX_NESTING = 1000
/** Bytes and assertions after counted repetitions are written out. */
const MAX_PROGRAM = 20_000
/** UTF-16 units of a pattern: bounds the parser's own work. */
const MAX_PATTERN = 65_536

const ANY = setNode(ALL_BYTES)
const ANY_BUT_NEWLINE = setNode(complement(single(0x0a)))
const COUNT = /\{(\d+)(,(\d*))?\}/y
const NAME = /\?P?<([^>]*)>/y
const FLAGS = /\?([imsU]*)(?:-([imsU]+))?([:)])/y
const LOOKAROUND = /\?<?[=!]/y
const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  A: 'text-start',
  z: 'text-end',
  b: 'word',
  B: 'not-word',
}

type Flags = { i: boolean; m: boolean; s: boolean; U: boolean }

function utf8(point: number): number[] {
  if (point < 0x80) return [point]
  if (point < 0x800) return [0xc0 | (point >> 6), 0x80 | (point & 63)]
  if (point < 0x10000) return [0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)]
  return [0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)]
}

class RegexParser {
  private readonly cursor: Cursor
  private readonly names = new Set<string>()
  private flags: Flags = { i: false, m: false, s: false, U: false }
  private depth = 0

  constructor(pattern: string) {
    this.cursor = new Cursor(pattern)
  }

  parse(): RegexNode {
    const { cursor } = this
    if (cursor.text.length > MAX_PATTERN) cursor.fail(`a pattern has at most ${MAX_PATTERN} characters`)
    const node = this.choice()
    if (!cursor.done) cursor.fail('this ) has no (')
    if (programSize(node) > MAX_PROGRAM) {
      cursor.fail(`the pattern is larger than ${MAX_PROGRAM} steps once its repetitions are written out`, 0)
    }
    return node
  }

  /** Alternatives up to ')' or the end. Flags set inside hold until there, as in RE2. */
  private choice(): RegexNode {
    const { cursor } = this
    const outer = this.flags
    const options: RegexNode[] = []
    let parts: RegexNode[] = []
    const close = () => options.push(parts.length === 1 && parts[0] ? parts[0] : { kind: 'sequence', parts })
    while (!cursor.done && cursor.peek() !== ')') {
      if (cursor.take('|')) {
        close()
        parts = []
      } else if (!this.repetition(parts)) {
        const part = this.atom()
        if (part) parts.push(part)
      }
    }
    close()
    this.flags = outer
    return options.length === 1 && options[0] ? options[0] : { kind: 'choice', options }
  }

  /** Apply * + ? {n,m} to the part before it; false if none is next. */
  private repetition(parts: RegexNode[]): boolean {
    const { cursor } = this
    const start = cursor.at
    const bounds = this.bounds()
    if (!bounds) return false
    const node = parts.pop()
    if (!node) return cursor.fail('there is nothing to repeat here', start)
    cursor.take('?') // lazy and greedy differ in what is captured, not in what matches
    const again = cursor.at
    if (this.bounds()) cursor.fail('repetition of a repetition: put the inner one in a group', again)
    const repeat: RegexNode = { kind: 'repeat', node, min: bounds[0], max: bounds[1] }
    if (repetitionProduct(repeat) > MAX_REPETITION) {
      cursor.fail(`repetition is limited to ${MAX_REPETITION}, also when nested`, start)
    }
    if (programSize(repeat) > MAX_PROGRAM) {
      cursor.fail(
        `the pattern is larger than ${MAX_PROGRAM} steps once its repetitions are written out`,
        start,
      )
    }
    parts.push(repeat)
    return true
  }

  private bounds(): readonly [number, number | null] | null {
    const { cursor } = this
    if (cursor.take('*')) return [0, null]
    if (cursor.take('+')) return [1, null]
    if (cursor.take('?')) return [0, 1]
    const start = cursor.at
    const found = cursor.peek() === '{' ? cursor.match(COUNT) : null
    if (!found) return null
    const min = Number(found[1])
    const max = found[2] === undefined ? min : found[3] === '' ? null : Number(found[3])
    if (min > MAX_REPETITION || (max ?? 0) > MAX_REPETITION) {
      cursor.fail(`repetition is limited to ${MAX_REPETITION}, also when nested`, start)
    }
    if (max !== null && max < min) cursor.fail('this repetition ends before it begins', start)
    return [min, max]
  }

  /** One thing that can be repeated; null for a bare flag group or an empty quotation. */
  private atom(): RegexNode | null {
    const { cursor, flags } = this
    switch (cursor.peek()) {
      case '(':
        return this.group()
      case '[':
        return setNode(bracketClass(cursor, flags.i))
      case '.':
        cursor.at++
        return flags.s ? ANY : ANY_BUT_NEWLINE
      case '^':
        cursor.at++
        return { kind: 'assert', at: flags.m ? 'line-start' : 'text-start' }
      case '$':
        cursor.at++
        return { kind: 'assert', at: flags.m ? 'line-end' : 'text-end' }
      case '\\':
        return this.escape()
      default:
        return this.literal(cursor.at, cursor.codePoint())
    }
  }

  private escape(): RegexNode | null {
    const { cursor } = this
    const start = cursor.at
    const named = perlClass(cursor)
    if (named !== null) return setNode(named)
    cursor.at++
    const next = cursor.peek()
    const at = next === '' ? undefined : ASSERTIONS[next]
    if (at !== undefined) {
      cursor.at++
      return { kind: 'assert', at }
    }
    if (cursor.take('C')) return ANY
    if (cursor.take('Q')) return this.quotation()
    return this.literal(start, escapedCodePoint(cursor))
  }

  /** \Q...\E; a repetition that follows takes its last character, as in RE2. */
  private quotation(): RegexNode | null {
    const { cursor } = this
    const end = cursor.text.indexOf('\\E', cursor.at)
    const stop = end < 0 ? cursor.text.length : end
    const parts: RegexNode[] = []
    while (cursor.at < stop) parts.push(this.literal(cursor.at, cursor.codePoint()))
    cursor.take('\\E')
    const last = parts.pop()
    if (!last) return null
    if (parts.length === 0) return last
    // The quoted text is one part for its reader; only a following repetition splits it.
    const repeated: RegexNode[] = [last]
    this.repetition(repeated)
    return { kind: 'sequence', parts: [...parts, ...repeated] }
  }

  private literal(offset: number, point: number): RegexNode {
    const bytes = utf8(point)
    if (bytes.length === 1) {
      const set = single(point)
      return setNode(this.flags.i ? foldCase(set) : set)
    }
    const text = String.fromCodePoint(point)
    if (this.flags.i && (text.toLowerCase() !== text || text.toUpperCase() !== text)) {
      this.cursor.fail('case folding is supported for ASCII only', offset)
    }
    return { kind: 'sequence', parts: bytes.map((byte) => setNode(single(byte))) }
  }

  private group(): RegexNode | null {
    const { cursor } = this
    const start = cursor.at
    cursor.at++
    const outer = this.flags
    if (cursor.peek() === '?' && this.groupHead(start) === 'flags-only') return null
    if (++this.depth > MAX_NESTING) cursor.fail(`groups nest at most ${MAX_NESTING} deep`, start)
    const node = this.choice()
    this.depth--
    this.flags = outer
    if (!cursor.take(')')) cursor.fail('this ( has no )', start)
    // A group is one part, whatever is in it, so that a repetition takes it whole.
    return node
  }

  private groupHead(start: number): 'group' | 'flags-only' {
    const { cursor } = this
    if (cursor.match(LOOKAROUND)) cursor.fail('lookaround is not part of RE2', start)
    const name = cursor.match(NAME)?.[1]
    if (name !== undefined) {
      if (!/^\w+$/.test(name)) cursor.fail('a group name has letters, digits and _ only', start)
      if (this.names.has(name)) cursor.fail(`the group name ${name} is used twice`, start)
      this.names.add(name)
      return 'group'
    }
    const flags = cursor.match(FLAGS)
    if (!flags) return cursor.fail('this kind of group is not part of RE2', start)
    const next = { ...this.flags }
    for (const flag of flags[1] ?? '') next[flag as keyof Flags] = true
    for (const flag of flags[2] ?? '') next[flag as keyof Flags] = false
    this.flags = next
    return flags[3] === ')' ? 'flags-only' : 'group'
  }
}

export function parsePattern(pattern: string): RegexNode {
  return pattern === '' ? EMPTY : new RegexParser(pattern).parse()
}
