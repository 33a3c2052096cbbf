/** The path automaton of one set of routes: over a target, of whose query nothing matters. */
import { type ByteSet, complement, single } from '../automata/byte-set.ts'
import type { Dfa } from '../automata/dfa.ts'
import { determinize } from '../automata/determinize.ts'
import type { GroupedPattern } from '../automata/nfa.ts'
import { EMPTY, type RegexNode, setNode } from '../automata/regex-node.ts'
import type { PathMatch } from '../policy/route.ts'
import { withoutSlash } from '../policy/route-match.ts'
import type { Source } from '../policy/source.ts'
import { at } from './blocks.ts'
import { literal, parsed, TEXT } from './texts.ts'

const QUERY = 0x3f
const PATH: ByteSet = TEXT & complement(single(QUERY))
const ANYTHING: RegexNode = { kind: 'repeat', node: setNode(PATH), min: 0, max: null }

export type LocatedPath = { readonly path: PathMatch; readonly source: Source }

/** The target `*` has no path: only a rule for / takes it. */
function takesAll({ kind, value }: PathMatch): boolean {
  return kind === 'prefix' && withoutSlash(value) === ''
}

function nodeOf({ path, source }: LocatedPath): RegexNode {
  if (path.kind === 'exact') return literal(path.value)
  if (path.kind === 'regex') return parsed(path.value, source)
  if (takesAll(path)) return ANYTHING
  const base = withoutSlash(path.value)
  const below: RegexNode = { kind: 'sequence', parts: [literal('/'), ANYTHING] }
  return { kind: 'sequence', parts: [literal(base), { kind: 'choice', options: [EMPTY, below] }] }
}

export type PathDfa = {
  readonly dfa: Dfa
  /** By state: indices of the paths that match where the input ends there, ascending. */
  matched(state: number): readonly number[]
}

/** `paths` are distinct. Throws AutomatonLimit, Failure('expression-invalid'). */
export function pathDfa(paths: readonly LocatedPath[]): PathDfa {
  const asterisk = paths.length
  const patterns: GroupedPattern[] = paths.map((located, group) => ({
    node: nodeOf(located),
    group,
    text: `${at(located.source)}: path ${located.path.value}`,
  }))
  patterns.push({ node: literal('*'), group: asterisk, text: '*' })
  const dfa = determinize(patterns, { alphabet: PATH, latches: 'none' })
  const matched = dfa.groupSets.map((groups) =>
    groups.includes(asterisk)
      ? groups.filter((group) => group < asterisk && takesAll((paths[group] as LocatedPath).path))
      : groups,
  )
  return { dfa, matched: (state) => matched[dfa.finals[state] as number] ?? [] }
}

/** Does every byte of a path leave the state as it is? */
function stays(dfa: Dfa, state: number): boolean {
  if (dfa.differAt[state] !== dfa.differAt[state + 1]) return false
  const outside = dfa.classes[0] as number
  return (dfa.rows[dfa.rowOf[state] as number] as Int32Array).every(
    (next, byteClass) => next === state || byteClass === outside,
  )
}

/**
 * The same automaton, in which '?' ends the path: from there on the final value stays as it
 * is, in a state that takes everything. `finals` by state, 0 = none; so are the new ones.
 */
export function ignoringQuery(dfa: Dfa, finals: readonly number[]): { dfa: Dfa; finals: number[] } {
  const mark = dfa.stride
  const classes = dfa.classes.slice()
  classes[QUERY] = mark
  const rows = dfa.rows.map((row) => Int32Array.of(...row, 0))
  const rowOf = [...dfa.rowOf]
  const all = [...finals]
  const ends = new Map<number, number>()
  for (let state = 1; state < dfa.states; state++) {
    const final = finals[state] as number
    if (final === 0 || ends.has(final) || !stays(dfa, state)) continue
    ends.set(final, state)
    ;(rows[rowOf[state] as number] as Int32Array)[mark] = state
  }
  const endOf = (final: number): number => {
    const known = ends.get(final)
    if (known !== undefined || final === 0) return known ?? 0
    const state = all.push(final) - 1
    const row = new Int32Array(mark + 1).fill(state)
    row[dfa.classes[0] as number] = 0
    rowOf.push(rows.push(row) - 1)
    ends.set(final, state)
    return state
  }
  const differAt: number[] = []
  const differClass: number[] = []
  const differNext: number[] = []
  for (let state = 0; state < dfa.states; state++) {
    differAt.push(differNext.length)
    for (let i = dfa.differAt[state] as number; i < (dfa.differAt[state + 1] as number); i++) {
      differClass.push(dfa.differClass[i] as number)
      differNext.push(dfa.differNext[i] as number)
    }
    const end = state === 0 ? 0 : endOf(finals[state] as number)
    if (end === (rows[rowOf[state] as number] as Int32Array)[mark]) continue
    differClass.push(mark)
    differNext.push(end)
  }
  for (let state = dfa.states; state <= all.length; state++) differAt.push(differNext.length)
  return {
    dfa: {
      ...dfa,
      classes,
      stride: mark + 1,
      states: all.length,
      rows,
      rowOf: Int32Array.from(rowOf),
      differAt: Int32Array.from(differAt),
      differClass: Uint8Array.from(differClass),
      differNext: Int32Array.from(differNext),
      finals: Int32Array.from(all),
      latches: new Int32Array(all.length),
    },
    finals: all,
  }
}
