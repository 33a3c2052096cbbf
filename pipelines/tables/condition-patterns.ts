/**
 * Conditions as patterns over what the kernel walks: the target as it was sent, and header values.
 * condition-match.ts says in plain words what each of them has to match.
 */
import { type ByteSet, foldCase, range, single } from '../automata/byte-set.ts'
import { withoutEdges } from '../automata/regex-edges.ts'
import { EMPTY, type RegexNode, setNode } from '../automata/regex-node.ts'
import { utf8 } from '../bytes.ts'
import type { Leaf, PathText, Text } from '../policy/condition.ts'
import { leafText } from '../policy/condition-trace.ts'
import { withoutSlash } from '../policy/route-match.ts'
import type { Source } from '../policy/source.ts'
import { literal, parsed, TEXT, VALUE } from './texts.ts'

const byte = (character: string): ByteSet => single(character.charCodeAt(0))
const one = (set: ByteSet): RegexNode => setNode(set)
const sequence = (...parts: RegexNode[]): RegexNode => ({ kind: 'sequence', parts })
const choice = (...options: RegexNode[]): RegexNode => ({ kind: 'choice', options })
const many = (node: RegexNode): RegexNode => ({ kind: 'repeat', node, min: 0, max: null })
const maybe = (node: RegexNode): RegexNode => ({ kind: 'repeat', node, min: 0, max: 1 })
const anyOf = (set: ByteSet): RegexNode => many(one(set))

const IN_PATH = TEXT & ~byte('?')
const IN_PARAMETER = TEXT & ~byte('&')
const IN_PAIR = VALUE & ~byte(';')
const BLANK = byte(' ') | byte('\t')
const BLANKS = anyOf(BLANK)
const DIGITS = anyOf(range(0x30, 0x39))

/** The same pattern over fewer letters. */
function within(node: RegexNode, letters: ByteSet): RegexNode {
  switch (node.kind) {
    case 'set':
      return one(node.set & letters)
    case 'assert':
      return node
    case 'sequence':
      return { kind: 'sequence', parts: node.parts.map((part) => within(part, letters)) }
    case 'choice':
      return { kind: 'choice', options: node.options.map((option) => within(option, letters)) }
    case 'repeat':
      return { ...node, node: within(node.node, letters) }
  }
}

function folded(text: string): RegexNode {
  return { kind: 'sequence', parts: [...utf8(text)].map((value) => one(foldCase(single(value)))) }
}

/** A text that stands between other bytes; `letters`: what it may be made of. */
function textPattern(text: Text, letters: ByteSet, source: Source): RegexNode {
  const wanted = () => within(literal(text.value), letters)
  switch (text.kind) {
    case 'exact':
      return wanted()
    case 'prefix':
      return sequence(wanted(), anyOf(letters))
    case 'suffix':
      return sequence(anyOf(letters), wanted())
    case 'regex':
      return within(withoutEdges(parsed(text.value, source)), letters)
  }
}

/** Behind a path: its end, or a query. Alternatives at the top, so that automata can leave the tail away. */
function inTarget(path: RegexNode): RegexNode[] {
  return [path, sequence(path, one(byte('?')), anyOf(TEXT))]
}

function pathPattern(text: PathText, source: Source): RegexNode {
  if (text.kind === 'prefix') return sequence(within(literal(text.value), IN_PATH), anyOf(TEXT))
  if (text.kind !== 'segments')
    return choice(...inTarget(textPattern({ ...text, kind: text.kind }, IN_PATH, source)))
  const base = within(literal(withoutSlash(text.value)), IN_PATH)
  return choice(...inTarget(base), sequence(base, one(byte('/')), anyOf(TEXT)))
}

/**
 * Texts over `letters` that are not `name`, empty ones too: those that leave it at one of its bytes,
 * and those that go on behind it. `first`: what the first byte may be.
 */
function otherThan(name: readonly ByteSet[], letters: ByteSet, first = letters): RegexNode {
  const options: RegexNode[] = []
  name.forEach((wanted, at) => {
    const before = name.slice(0, at).map(one)
    const here = (at === 0 ? first : letters) & ~wanted
    options.push({ kind: 'sequence', parts: before }, sequence(...before, one(here), anyOf(letters)))
  })
  options.push(sequence(...name.map(one), one(letters), anyOf(letters)))
  return { kind: 'choice', options }
}

/** The first parameter of that name. */
function queryPattern({ name, text }: Extract<Leaf, { kind: 'query' }>, source: Source): RegexNode {
  const bytes = [...utf8(name)].map(single)
  const sign = one(byte('='))
  const other = sequence(
    otherThan(bytes, IN_PARAMETER & ~byte('=')),
    maybe(sequence(sign, anyOf(IN_PARAMETER))),
  )
  const value = text === null ? anyOf(IN_PARAMETER) : textPattern(text, IN_PARAMETER, source)
  const start = sequence(
    ...[anyOf(IN_PATH), one(byte('?')), many(sequence(other, one(byte('&'))))],
    ...[literal(name)],
  )
  const ended = (part: RegexNode) => [part, sequence(part, one(byte('&')), anyOf(TEXT))]
  const named = ended(sequence(start, sign, value))
  // A name without a sign has the empty value.
  const bare = text === null || matchesEmpty(value) ? ended(start) : []
  return { kind: 'choice', options: [...named, ...bare] }
}

/** `value` has no assertion of edges left. What is left can't hold between two bytes that are no word's. */
function matchesEmpty(node: RegexNode): boolean {
  switch (node.kind) {
    case 'set':
      return false
    case 'assert':
      return node.at === 'not-word'
    case 'sequence':
      return node.parts.every(matchesEmpty)
    case 'choice':
      return node.options.some(matchesEmpty)
    case 'repeat':
      return node.min === 0 || matchesEmpty(node.node)
  }
}

/** What follows the first pair of that name in a list of `;`: its value, then the rest of the list. */
function pairPattern(name: readonly ByteSet[], value: RegexNode): RegexNode {
  const sign = one(byte('='))
  const letters = IN_PAIR & ~byte('=')
  const other = sequence(otherThan(name, letters, letters & ~BLANK), maybe(sequence(sign, anyOf(IN_PAIR))))
  const bare: RegexNode = sequence(...name.map(one))
  const before = many(sequence(BLANKS, choice(other, bare), one(byte(';'))))
  return sequence(before, BLANKS, bare, sign, value, maybe(sequence(one(byte(';')), anyOf(VALUE))))
}

function cookiePattern({ name, text }: Extract<Leaf, { kind: 'cookie' }>, source: Source): RegexNode {
  const value = text === null ? anyOf(IN_PAIR) : textPattern(text, IN_PAIR, source)
  return pairPattern([...utf8(name)].map(single), value)
}

function hostPattern(wanted: string): RegexNode {
  const port = /:\d*$/.test(wanted) ? EMPTY : maybe(sequence(one(byte(':')), DIGITS))
  if (!wanted.startsWith('*.')) return sequence(folded(wanted), port)
  return sequence(one(VALUE), anyOf(VALUE), folded(wanted.slice(1)), port)
}

function mediaTypePattern(wanted: string): RegexNode {
  const rest = sequence(BLANKS, maybe(sequence(one(byte(';')), anyOf(VALUE))))
  if (!wanted.endsWith('/*')) return sequence(folded(wanted), rest)
  return sequence(folded(wanted.slice(0, -1)), anyOf(IN_PAIR), rest)
}

function charsetPattern(wanted: string): RegexNode {
  const quote = one(byte('"'))
  const value = sequence(choice(folded(wanted), sequence(quote, folded(wanted), quote)), BLANKS)
  const name = [...utf8('charset')].map((letter) => foldCase(single(letter)))
  return sequence(anyOf(IN_PAIR), one(byte(';')), pairPattern(name, value))
}

function codingPattern(wanted: string): RegexNode {
  const comma = one(byte(','))
  const before = maybe(sequence(anyOf(VALUE), comma))
  return sequence(before, BLANKS, folded(wanted), BLANKS, maybe(sequence(comma, anyOf(VALUE))))
}

/** `header`: its name in lower case. `node: null` = the header is there at all. */
export type LeafPattern = {
  readonly on: 'method' | 'target' | { readonly header: string }
  /** Equal texts are equal patterns on the same part. */
  readonly text: string
  /** For people. */
  readonly shown: string
  readonly node: (() => RegexNode) | null
}

/** Patterns may throw Failure('expression-invalid'), located. */
export function leafPattern(leaf: Leaf, source: Source): LeafPattern {
  const named = { text: JSON.stringify(leaf), shown: leafText(leaf) }
  const on = (header: string, node: (() => RegexNode) | null): LeafPattern => ({
    ...named,
    on: { header },
    node,
  })
  switch (leaf.kind) {
    case 'method':
      return { ...named, on: 'method', node: () => textPattern(leaf.text, TEXT, source) }
    case 'path':
      return { ...named, on: 'target', node: () => pathPattern(leaf.text, source) }
    case 'query':
      return { ...named, on: 'target', node: () => queryPattern(leaf, source) }
    case 'host':
      return on('host', () => hostPattern(leaf.value))
    case 'header': {
      const { name, text: value } = leaf
      return on(name, value === null ? null : () => textPattern(value, VALUE, source))
    }
    case 'cookie':
      return on('cookie', () => cookiePattern(leaf, source))
    case 'media-type':
      return on('content-type', () => mediaTypePattern(leaf.value))
    case 'charset':
      return on('content-type', () => charsetPattern(leaf.value))
    case 'content-coding':
      return on('content-encoding', () => codingPattern(leaf.value))
  }
}
