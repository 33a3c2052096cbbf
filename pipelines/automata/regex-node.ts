/** What a pattern means, after flags, folding and escapes have been resolved to bytes. */
import type { ByteSet } from './byte-set.ts'

/** Where an empty match may stand. `line-*` come from (?m), `word` from \b. */
export type Assertion = 'text-start' | 'text-end' | 'line-start' | 'line-end' | 'word' | 'not-word'

export type RegexNode =
  | { readonly kind: 'set'; readonly set: ByteSet }
  | { readonly kind: 'assert'; readonly at: Assertion }
  | { readonly kind: 'sequence'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'choice'; readonly options: readonly RegexNode[] }
  | {
      readonly kind: 'repeat'
      readonly node: RegexNode
      readonly min: number
      readonly max: number | null
    }

export const EMPTY: RegexNode = { kind: 'sequence', parts: [] }

/** One byte set node for each distinct set: 10,000 literal patterns share them. */
const SETS = new Map<ByteSet, RegexNode>()
const SETS_KEPT = 4096

export function setNode(set: ByteSet): RegexNode {
  const known = SETS.get(set)
  if (known) return known
  const node: RegexNode = { kind: 'set', set }
  if (SETS.size < SETS_KEPT) SETS.set(set, node)
  return node
}

/** Bytes of an expanded program: what {n,m} multiplies. Infinity is possible, never NaN. */
export function programSize(node: RegexNode): number {
  switch (node.kind) {
    case 'set':
    case 'assert':
      return 1
    case 'sequence':
      return node.parts.reduce((sum, part) => sum + programSize(part), 0)
    case 'choice':
      return node.options.reduce((sum, option) => sum + 2 + programSize(option), 0)
    case 'repeat':
      return (programSize(node.node) + 2) * Math.max(1, node.max ?? node.min + 1)
  }
}

/** RE2 refuses nested counted repetition whose product is above the limit. */
export function repetitionProduct(node: RegexNode): number {
  switch (node.kind) {
    case 'set':
    case 'assert':
      return 1
    case 'sequence':
      return node.parts.reduce((most, part) => Math.max(most, repetitionProduct(part)), 1)
    case 'choice':
      return node.options.reduce((most, option) => Math.max(most, repetitionProduct(option)), 1)
    case 'repeat': {
      const counted = node.max ?? node.min
      return Math.max(1, counted) * repetitionProduct(node.node)
    }
  }
}
