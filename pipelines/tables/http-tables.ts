/** The L7 part of the tables: path, method, header names, values, and what they decide; routes share all but paths. */
import { foldCase, single } from '../automata/byte-set.ts'
import { AutomatonLimit, type Dfa } from '../automata/dfa.ts'
import { determinize } from '../automata/determinize.ts'
import type { GroupedPattern } from '../automata/nfa.ts'
import { setNode } from '../automata/regex-node.ts'
import { Failure } from '../contract/failures.ts'
import type { Route } from '../policy/route.ts'
import { utf8 } from '../bytes.ts'
import type { FullBlock } from './blocks.ts'
import { DiagramBuilder } from './diagram.ts'
import { Dimensions } from './dimensions.ts'
import { FIELD_CODES, LEAF, MAX_LATCHES } from './layout.ts'
import { type PackedAutomaton, packAutomaton } from './pack-automaton.ts'
import { collectRoutes } from './route-collect.ts'
import { type Collected, collectRequests } from './request-collect.ts'
import { mirrorsOf } from './mirrors.ts'
import { type RateRecord, ratesOf } from './rates.ts'
import { type RouteTables, routeTables } from './route-tables.ts'
import type { Row } from './rows.ts'
import { TEXT } from './texts.ts'

export type HttpTables = {
  readonly path: PackedAutomaton
  readonly names: PackedAutomaton
  /** By dimension; the first reads methods. */
  readonly values: readonly PackedAutomaton[]
  /** By dimension and class: where a value goes on when its name comes again, 0 = nowhere. */
  readonly resumes: readonly Uint32Array[]
  readonly diagram: Uint32Array
  readonly roots: Uint32Array
  readonly leaves: readonly Row[]
  /** By leaf: the root that is asked as well, 0 = none. Empty = none of any. */
  readonly thens: Uint32Array
  readonly pathStates: number
  /** One a block of kind `limit`. */
  readonly rates: readonly RateRecord[]
  /** struct heddle_mirror of each block that observes; empty = none is a mirror. */
  readonly mirrors: readonly number[]
  readonly routes: RouteTables
}

/** Latches are few: where there are too many, tails behind a fixed beginning are remembered. */
function pathAutomaton(patterns: readonly GroupedPattern[], roots: (dfa: Dfa) => Map<number, number>): Dfa {
  for (const latches of ['all', 'unanchored'] as const) {
    const dfa = determinize(patterns, { alphabet: TEXT, latches })
    if (new Set(roots(dfa).values()).size <= MAX_LATCHES) return dfa
  }
  throw new Failure(
    'limit-exceeded',
    `patterns that begin and end in .* combine with methods, hosts, headers and blocks in more than ` +
      `${MAX_LATCHES} ways: ${patterns[0]?.text} and others`,
  )
}

/** The root of each set of groups that is latched. */
function latchRoots(dfa: Dfa, collected: Collected, diagram: DiagramBuilder): Map<number, number> {
  const roots = new Map<number, number>()
  for (const set of new Set(dfa.latches))
    if (set !== 0) roots.set(set, diagram.root(collected.reached(dfa.groupSets[set] ?? [])))
  return roots
}

/** `edited`: headers that edits of routes leave out. */
function nameAutomaton(dimensions: Dimensions, edited: readonly string[]): PackedAutomaton {
  const names = [...new Set([...FIELD_CODES.keys(), ...dimensions.names.keys(), ...edited])]
  const edits = new Map(edited.map((name, index) => [name, index + 1]))
  const dfa = determinize(
    names.map((name, group) => ({
      group,
      text: `header ${name}`,
      node: { kind: 'sequence', parts: [...utf8(name)].map((byte) => setNode(foldCase(single(byte)))) },
    })),
    { alphabet: TEXT, latches: 'none' },
  )
  const final = (state: number): number => {
    const name = names[dfa.groupSets[dfa.finals[state] as number]?.[0] ?? -1]
    if (name === undefined) return 0
    const known = (FIELD_CODES.get(name) ?? 0) | ((dimensions.names.get(name) ?? 0) << 8)
    const key = (dimensions.keyNumbers.get(name) ?? 0) << 14
    return (known | key | ((edits.get(name) ?? 0) << 16)) >>> 0
  }
  return packAutomaton(dfa, { final, latch: () => 0 })
}

/** Throws Failure('limit-exceeded' | 'expression-invalid'), located. */
export function httpTables(blocks: readonly FullBlock[], routes: readonly Route[]): HttpTables {
  try {
    return build(blocks, routes)
  } catch (error) {
    if (!(error instanceof AutomatonLimit)) throw error
    const detail = error.patterns.map((text) => `costs most: ${text}`)
    throw new Failure('limit-exceeded', `${error.patterns[0] ?? ''}: ${error.message}`, { detail })
  }
}

function build(blocks: readonly FullBlock[], routes: readonly Route[]): HttpTables {
  const dimensions = new Dimensions()
  const requests = collectRequests(blocks, dimensions)
  const rates = ratesOf(blocks, dimensions)
  const collected = collectRoutes(routes, dimensions)
  const mirrors = mirrorsOf(blocks, collected.services)
  const classes = dimensions.classes()
  const diagram = new DiagramBuilder(requests.groups, classes)
  const dfa = pathAutomaton(requests.patterns, (candidate) => latchRoots(candidate, requests, diagram))
  const latched = latchRoots(dfa, requests, diagram)
  const finals = new Map<number, number>()
  for (const set of new Set(dfa.finals))
    if (set !== 0) finals.set(set, diagram.root(requests.reached(dfa.groupSets[set] ?? [])))
  const distinct = [...new Set(latched.values())]
  const latchNumber = new Map(distinct.map((root, index) => [root, index + 1]))
  const { words, place } = diagram.pack()
  const values = classes.map((each) => packAutomaton(each.dfa, { final: each.final, latch: () => 0 }))
  const value = (next: number | undefined): number => (next === undefined || next === LEAF ? 0 : place(next))
  return {
    path: packAutomaton(dfa, {
      final: (state) => value(finals.get(dfa.finals[state] as number)),
      latch: (state) => latchNumber.get(latched.get(dfa.latches[state] as number) ?? -1) ?? 0,
    }),
    names: nameAutomaton(dimensions, collected.names.list),
    values,
    resumes: classes.map(({ resumes }, dim) =>
      Uint32Array.from(resumes, (state) => (state === 0 ? 0 : (values[dim] as PackedAutomaton).place(state))),
    ),
    diagram: words,
    roots: Uint32Array.from(distinct, place),
    leaves: diagram.leaves.rows,
    thens: Uint32Array.from(
      diagram.leaves.thens.some((then) => then !== LEAF) ? diagram.leaves.thens : [],
      value,
    ),
    pathStates: dfa.states,
    rates,
    mirrors,
    routes: routeTables(collected, classes, dimensions.queries),
  }
}
