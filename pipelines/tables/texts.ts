/** What targets, methods and values are made of, and patterns of texts. */
import { type ByteSet, range, single } from '../automata/byte-set.ts'
import { parseRegex } from '../automata/regex.ts'
import { type RegexNode, setNode } from '../automata/regex-node.ts'
import { utf8 } from '../bytes.ts'
import { Failure } from '../contract/failures.ts'
import type { Source } from '../policy/source.ts'
import { at } from './blocks.ts'

/** Bytes of a request target and of a method (RFC 9112 3). */
export const TEXT: ByteSet = range(0x21, 0x7e)
/** Bytes of a field value (RFC 9110 5.5). */
export const VALUE: ByteSet = single(0x09) | range(0x20, 0x7e) | range(0x80, 0xff)
/** The tree of a pattern. Throws Failure('expression-invalid'), located. */
export function parsed(pattern: string, source: Source): RegexNode {
  const result = parseRegex(pattern)
  if (result.ok) return result.node
  throw new Failure(
    'expression-invalid',
    `${at(source)}: ${result.reason} (at character ${result.offset + 1})`,
  )
}

/** Exactly these characters, as UTF-8. */
export function literal(text: string): RegexNode {
  return { kind: 'sequence', parts: [...utf8(text)].map((byte) => setNode(single(byte))) }
}
