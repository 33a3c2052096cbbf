/**
 * Many patterns as one nondeterministic automaton in the shape of a trie: patterns
 * that begin alike share nodes. So all `.*infix` patterns share one node that loops
 * on every byte, and thousands of literals cost what their distinct letters cost.
 */
import type { ByteSet } from './byte-set.ts'
import type { Assertion, RegexNode } from './regex-node.ts'

/**
 * A pattern and the number that its match contributes. `text` is for messages only. `whole`: never
 * latched, as something else must hold together with it.
 */
export type GroupedPattern = {
  readonly node: RegexNode
  readonly group: number
  readonly text: string
  readonly whole?: boolean
}

/**
 * Which patterns of the form `R.*` are reported when R has matched, instead of being
 * remembered to the end: none, those that begin with `.*`, or all.
 */
export type LatchPolicy = 'none' | 'unanchored' | 'all'

export type Nfa = {
  /** Node 0 is the start. Each edge: index into `sets`, target. */
  readonly edges: readonly (readonly [set: number, target: number][])[]
  readonly jumps: readonly (readonly [at: Assertion | null, target: number][])[]
  readonly finals: readonly (readonly number[] | undefined)[]
  readonly latches: readonly (readonly number[] | undefined)[]
  /** The first pattern that needed the node: whom a limit is blamed on. */
  readonly owners: readonly number[]
  readonly sets: readonly ByteSet[]
}

class NfaBuilder {
  readonly edges: [number, number][][] = []
  readonly jumps: [Assertion | null, number][][] = []
  readonly finals: (number[] | undefined)[] = []
  readonly latches: (number[] | undefined)[] = []
  readonly owners: number[] = []
  readonly sets: ByteSet[] = []
  private readonly children: (Map<string | number, number> | undefined)[] = []
  private readonly setNumbers = new Map<ByteSet, number>()
  private owner = 0
  private readonly alphabet: ByteSet
  private readonly policy: LatchPolicy

  constructor(alphabet: ByteSet, policy: LatchPolicy) {
    this.alphabet = alphabet
    this.policy = policy
    this.node()
  }

  add(pattern: GroupedPattern, index: number): void {
    this.owner = index
    for (const option of alternatives(pattern.node)) this.insert(flatten(option), pattern)
  }

  private insert(items: RegexNode[], { group, whole = false }: GroupedPattern): void {
    if (isAssert(items[0], 'text-start')) items.shift()
    if (isAssert(items.at(-1), 'text-end')) items.pop()
    const latched = whole ? null : this.withoutTail(items)
    let at = 0
    for (const item of latched ?? items) at = this.shared(at, item)
    const reports = latched ? this.latches : this.finals
    const groups = reports[at] ?? []
    if (!groups.includes(group)) groups.push(group)
    reports[at] = groups
  }

  /** The items before a final `.*`, if leaving it away and latching means the same. */
  private withoutTail(items: readonly RegexNode[]): RegexNode[] | null {
    let length = items.length
    while (length > 0 && this.loopsOnAll(items[length - 1])) length--
    const anchored = !this.loopsOnAll(items[0])
    if (length === items.length || this.policy === 'none') return null
    if (anchored && this.policy === 'unanchored') return null
    const kept = items.slice(0, length)
    // What matches the empty input would have to be reported before the first byte.
    if (kept.every(matchesEmpty) || kept.some(looksAhead)) return null
    return kept
  }

  private loopsOnAll(item: RegexNode | undefined): boolean {
    return (
      item?.kind === 'repeat' &&
      item.min === 0 &&
      item.max === null &&
      item.node.kind === 'set' &&
      (item.node.set & this.alphabet) === this.alphabet
    )
  }

  private shared(from: number, item: RegexNode): number {
    const key = item.kind === 'set' ? this.setNumber(item.set) : this.key(item)
    const children = this.children[from] ?? new Map<string | number, number>()
    this.children[from] = children
    const known = children.get(key)
    if (known !== undefined) return known
    const target = this.fragment(from, item)
    children.set(key, target)
    return target
  }

  private key(node: RegexNode): string {
    switch (node.kind) {
      case 'set':
        return String(this.setNumber(node.set))
      case 'assert':
        return node.at
      case 'sequence':
        return `(${node.parts.map((part) => this.key(part)).join(' ')})`
      case 'choice':
        return `(${node.options.map((option) => this.key(option)).join('|')})`
      case 'repeat':
        return `${this.key(node.node)}{${node.min},${node.max ?? ''}}`
    }
  }

  /** Wire `node` after `from`; nothing in it ever leads back to `from`. */
  private fragment(from: number, node: RegexNode): number {
    switch (node.kind) {
      case 'set': {
        const target = this.node()
        this.edges[from]?.push([this.setNumber(node.set), target])
        return target
      }
      case 'assert': {
        const target = this.node()
        this.jumps[from]?.push([node.at, target])
        return target
      }
      case 'sequence':
        return node.parts.reduce((at, part) => this.fragment(at, part), from)
      case 'choice': {
        const end = this.node()
        for (const option of node.options) this.jumps[this.fragment(from, option)]?.push([null, end])
        return end
      }
      case 'repeat':
        return this.repeat(from, node.node, [node.min, node.max])
    }
  }

  private repeat(from: number, node: RegexNode, [min, max]: readonly [number, number | null]): number {
    let at = from
    for (let copy = 0; copy < min; copy++) at = this.fragment(at, node)
    if (max === null) {
      const loop = this.node()
      this.jumps[at]?.push([null, loop])
      if (node.kind === 'set') this.edges[loop]?.push([this.setNumber(node.set), loop])
      else this.jumps[this.fragment(loop, node)]?.push([null, loop])
      return loop
    }
    const end = this.node()
    for (let copy = min; copy < max; copy++) {
      this.jumps[at]?.push([null, end])
      at = this.fragment(at, node)
    }
    this.jumps[at]?.push([null, end])
    return end
  }

  private setNumber(set: ByteSet): number {
    const known = this.setNumbers.get(set)
    if (known !== undefined) return known
    this.setNumbers.set(set, this.sets.length)
    return this.sets.push(set) - 1
  }

  private node(): number {
    this.jumps.push([])
    this.finals.push(undefined)
    this.latches.push(undefined)
    this.owners.push(this.owner)
    return this.edges.push([]) - 1
  }
}

function isAssert(node: RegexNode | undefined, at: Assertion): boolean {
  return node?.kind === 'assert' && node.at === at
}

/** Alternatives that stand at the top, each a pattern of its own with the same group. */
function alternatives(node: RegexNode): readonly RegexNode[] {
  return node.kind === 'choice' ? node.options.flatMap(alternatives) : [node]
}

/** A concatenation as a list; x{n,} becomes n times x and x*. */
function flatten(node: RegexNode): RegexNode[] {
  if (node.kind === 'sequence') return node.parts.flatMap(flatten)
  if (node.kind !== 'repeat' || node.min === 0 || node.max !== null) return [node]
  const copies = Array.from({ length: node.min }, () => flatten(node.node)).flat()
  return [...copies, { kind: 'repeat', node: node.node, min: 0, max: null }]
}

function matchesEmpty(node: RegexNode): boolean {
  switch (node.kind) {
    case 'set':
      return false
    case 'assert':
      return true
    case 'sequence':
      return node.parts.every(matchesEmpty)
    case 'choice':
      return node.options.some(matchesEmpty)
    case 'repeat':
      return node.min === 0 || matchesEmpty(node.node)
  }
}

/** Does whether it holds depend on the byte that follows? */
function looksAhead(node: RegexNode): boolean {
  switch (node.kind) {
    case 'set':
      return false
    case 'assert':
      return node.at !== 'text-start' && node.at !== 'line-start'
    case 'sequence':
      return node.parts.some(looksAhead)
    case 'choice':
      return node.options.some(looksAhead)
    case 'repeat':
      return looksAhead(node.node)
  }
}

/** `alphabet`: the bytes that inputs are made of; others never match. */
export function buildNfa(patterns: readonly GroupedPattern[], alphabet: ByteSet, latches: LatchPolicy): Nfa {
  const builder = new NfaBuilder(alphabet, latches)
  for (const [index, pattern] of patterns.entries()) builder.add(pattern, index)
  return builder
}
