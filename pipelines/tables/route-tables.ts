/** Collected routes → automata and the diagram; sets of one shape share theirs. */
import { AutomatonLimit, type Dfa } from '../automata/dfa.ts'
import { determinize } from '../automata/determinize.ts'
import { Failure } from '../contract/failures.ts'
import type { ValueClasses } from './dimensions.ts'
import { LEAF } from './layout.ts'
import { literal, TEXT } from './texts.ts'
import type { Next } from './pack-diagram.ts'
import { type PackedAutomaton, packAutomaton } from './pack-automaton.ts'
import type { CollectedRoutes, CollectedSet } from './route-collect.ts'
import { RouteDiagram } from './route-diagram.ts'
import { ignoringQuery, pathDfa } from './route-paths.ts'

export type RouteTables = {
  readonly collected: CollectedRoutes
  readonly diagram: Uint32Array
  readonly paths: readonly PackedAutomaton[]
  /** By set: index in `paths`. */
  readonly pathsOf: readonly number[]
  /** null where no route asks for a parameter. */
  readonly queries: PackedAutomaton | null
  /** States of all path automata. */
  readonly states: number
}

type Rooted = { readonly dfa: Dfa; readonly roots: readonly Next[] }

/** What decides about a path's states: the roots that its groups lead to. */
function rooted({ paths, items }: CollectedSet, diagram: RouteDiagram): Rooted {
  const { dfa, matched } = pathDfa(paths)
  const known = new Map<readonly number[], Next>()
  const rootOf = (groups: readonly number[]): Next => {
    const root =
      known.get(groups) ??
      diagram.root(groups.flatMap((group) => items[group] ?? []).sort((a, b) => a.place - b.place))
    known.set(groups, root)
    return root
  }
  return { dfa, roots: Array.from({ length: dfa.states }, (_, state) => rootOf(matched(state))) }
}

/** Two sets of one shape have the same automaton and the same leaves. */
function shapeOf({ paths, items }: CollectedSet): string {
  return JSON.stringify([
    paths.map(({ path }) => [path.kind, path.value]),
    items.map((list) => list.map(({ demands, leaf }) => [demands, leaf])),
  ])
}

function located(error: unknown): unknown {
  if (!(error instanceof AutomatonLimit)) return error
  const detail = error.patterns.map((text) => `costs most: ${text}`)
  return new Failure('limit-exceeded', `${error.patterns[0] ?? ''}: ${error.message}`, { detail })
}

function queryAutomaton(queries: ReadonlyMap<string, number>): PackedAutomaton | null {
  const names = [...queries.keys()]
  if (names.length === 0) return null
  const dfa = determinize(
    names.map((name, group) => ({ group, text: `query parameter ${name}`, node: literal(name) })),
    { alphabet: TEXT, latches: 'none' },
  )
  const final = (state: number): number =>
    queries.get(names[dfa.groupSets[dfa.finals[state] as number]?.[0] ?? -1] as string) ?? 0
  return packAutomaton(dfa, { final, latch: () => 0 })
}

/** Throws Failure('limit-exceeded' | 'expression-invalid'). */
export function routeTables(
  collected: CollectedRoutes,
  classes: readonly ValueClasses[],
  queries: ReadonlyMap<string, number>,
): RouteTables {
  const diagram = new RouteDiagram(classes)
  const shapes = new Map<string, number>()
  const automata: Rooted[] = []
  try {
    const pathsOf = collected.sets.map((set) => {
      const shape = shapeOf(set)
      const number = shapes.get(shape) ?? automata.push(rooted(set, diagram)) - 1
      shapes.set(shape, number)
      return number
    })
    const { words, place } = diagram.pack()
    const paths = automata.map(({ dfa, roots }) => {
      const placed = roots.map((root) => (root === LEAF ? 0 : place(root)))
      const whole = ignoringQuery(dfa, placed)
      return packAutomaton(whole.dfa, { final: (state) => whole.finals[state] as number, latch: () => 0 })
    })
    const states = automata.reduce((sum, { dfa }) => sum + dfa.states, 0)
    return { collected, diagram: words, paths, pathsOf, queries: queryAutomaton(queries), states }
  } catch (error) {
    throw located(error)
  }
}
