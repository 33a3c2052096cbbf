/**
 * What rules ask of requests, taken apart: patterns that the target automaton walks, and groups of
 * demands that the diagram asks once it is known which patterns the target matches.
 */
import type { GroupedPattern } from '../automata/nfa.ts'
import { type RegexNode, setNode } from '../automata/regex-node.ts'
import type { HttpMatch } from '../policy/model.ts'
import { at, type FullBlock } from './blocks.ts'
import { type Literal, type Term, termsOf } from './condition-terms.ts'
import type { Group } from './diagram.ts'
import type { Dimensions } from './dimensions.ts'
import type { Row } from './rows.ts'
import { parsed, TEXT } from './texts.ts'

const EVERY_TARGET: RegexNode = { kind: 'repeat', node: setNode(TEXT), min: 0, max: null }

export type Collected = {
  readonly patterns: readonly GroupedPattern[]
  readonly groups: readonly Group[]
  /** Groups that hold where exactly these patterns match, by the numbers that patterns have. */
  reached(numbers: readonly number[]): readonly number[]
}

/** What the target has to match and what it must not, and the blocks that want it together with `demands`. */
type Wanted = {
  readonly positive: readonly TargetPattern[]
  readonly negative: readonly TargetPattern[]
  readonly demands: Group['demands']
  blocks: Row
}
type TargetPattern = { readonly key: string; readonly node: () => RegexNode; readonly text: string }

function targetPatterns(match: HttpMatch, term: Term): Pick<Wanted, 'positive' | 'negative'> {
  const { path, source } = match
  const ofLiteral = ({ text, shown, node }: Literal): TargetPattern => {
    return { key: `?${text}`, node: node ?? (() => EVERY_TARGET), text: `${at(source)}: ${shown}` }
  }
  const onTarget = term.filter(({ on }) => on === 'target')
  const positive = onTarget.filter(({ negated }) => !negated).map(ofLiteral)
  if (path !== undefined) {
    positive.push({ key: `/${path}`, node: () => parsed(path, source), text: `${at(source)}: path ${path}` })
  }
  if (positive.length === 0) {
    positive.push({ key: '', node: () => EVERY_TARGET, text: `${at(source)}: path (any)` })
  }
  return { positive, negative: onTarget.filter(({ negated }) => negated).map(ofLiteral) }
}

/** Equal matches of different blocks are one, whose blocks are all of them. */
function wantedBy(blocks: readonly FullBlock[], dimensions: Dimensions): Wanted[] {
  const wanted = new Map<string, Wanted>()
  blocks.forEach((block, index) => {
    for (const match of block.http) {
      for (const term of termsOf(match.condition, match.source)) {
        const { demands } = dimensions.remainder(match, term)
        const patterns = targetPatterns(match, term)
        const keys = [patterns.positive, patterns.negative].map((list) => list.map(({ key }) => key).sort())
        const key = JSON.stringify([keys, demands])
        const known = wanted.get(key) ?? { ...patterns, demands, blocks: 0n }
        known.blocks |= 1n << BigInt(index)
        wanted.set(key, known)
      }
    }
  })
  return [...wanted.values()]
}

/** Throws Failure('limit-exceeded' | 'expression-invalid'), located. */
export function collectRequests(blocks: readonly FullBlock[], dimensions: Dimensions): Collected {
  const all = wantedBy(blocks, dimensions)
  const groups: Group[] = []
  const numbers = new Map<string, number>()
  const groupOf = ({ demands, blocks: row }: Wanted): number => {
    const key = `${demands.join(';')}|${row}`
    const group = numbers.get(key) ?? groups.push({ demands, blocks: row }) - 1
    numbers.set(key, group)
    return group
  }
  const grouped = all.map((wanted) => ({ wanted, group: groupOf(wanted) }))
  const joint = new JointPatterns(groups.length)
  const patterns = grouped.flatMap(({ wanted, group }): GroupedPattern[] => {
    const { positive, negative } = wanted
    const [only] = positive
    if (positive.length > 1 || negative.length > 0 || only === undefined) {
      joint.add(wanted, group)
      return []
    }
    return [{ node: only.node(), group, text: only.text }]
  })
  return {
    patterns: [...patterns, ...joint.patterns],
    groups,
    reached: (found) => joint.reached(found),
  }
}

/**
 * Groups that several patterns decide together. Each pattern has a number of its own, above those of
 * groups; a pattern alone has its group's.
 */
class JointPatterns {
  readonly patterns: GroupedPattern[] = []
  private readonly numbers = new Map<string, number>()
  /** By the first of the patterns that have to match. */
  private readonly joint = new Map<number, { group: number; all: number[]; none: number[] }[]>()
  private readonly first: number

  constructor(groups: number) {
    this.first = groups
  }

  add({ positive, negative }: Wanted, group: number): void {
    const all = positive.map((pattern) => this.number(pattern))
    const none = negative.map((pattern) => this.number(pattern))
    const [first] = all as [number]
    this.joint.set(first, [...(this.joint.get(first) ?? []), { group, all, none }])
  }

  reached(found: readonly number[]): readonly number[] {
    const own = found.filter((number) => number < this.first)
    if (own.length === found.length) return own
    const matched = new Set(found)
    const groups = new Set(own)
    for (const number of found) {
      for (const { group, all, none } of this.joint.get(number) ?? []) {
        if (all.every((each) => matched.has(each)) && !none.some((each) => matched.has(each)))
          groups.add(group)
      }
    }
    return [...groups].sort((a, b) => a - b)
  }

  private number({ key, node, text }: TargetPattern): number {
    const known = this.numbers.get(key)
    if (known !== undefined) return known
    const number = this.first + this.patterns.length
    this.patterns.push({ node: node(), group: number, text, whole: true })
    this.numbers.set(key, number)
    return number
  }
}
