/**
 * A deterministic automaton in the sparse form that the tables need: each state has
 * a default row, which many states share, and the transitions that differ from it.
 */
export type Dfa = {
  /** byte -> class, and how many classes there are. */
  readonly classes: Uint8Array
  readonly stride: number
  /** State 0 is dead. */
  readonly states: number
  readonly start: number
  /** Default rows of `stride` states; row 0 leads to state 0 only. */
  readonly rows: readonly Int32Array[]
  readonly rowOf: Int32Array
  /** The exceptions of state s are differClass/differNext [differAt[s] .. differAt[s + 1]). */
  readonly differAt: Int32Array
  readonly differClass: Uint8Array
  readonly differNext: Int32Array
  /** Indices of `groupSets` by state: groups that match here; groups whose prefix part just matched. */
  readonly finals: Int32Array
  readonly latches: Int32Array
  /** Interned, each ascending; number 0 is the empty set. */
  readonly groupSets: readonly (readonly number[])[]
}

/** Patterns whose product of states is above a limit, the most costly first. */
export class AutomatonLimit extends Error {
  readonly patterns: readonly string[]

  constructor(reason: string, patterns: readonly string[]) {
    super(reason)
    this.name = 'AutomatonLimit'
    this.patterns = patterns
  }
}

/** What a walk over all input tells: the groups that match fully, latched ones included. */
export function walkDfa(dfa: Dfa, input: Uint8Array): Set<number> {
  const groups = new Set<number>()
  let state = dfa.start
  for (const byte of input) {
    if (state === 0) break
    state = nextState(dfa, state, dfa.classes[byte] ?? 0)
    for (const group of dfa.groupSets[dfa.latches[state] ?? 0] ?? []) groups.add(group)
  }
  for (const group of dfa.groupSets[dfa.finals[state] ?? 0] ?? []) groups.add(group)
  return groups
}

/** One transition. */
export function nextState(dfa: Dfa, state: number, byteClass: number): number {
  const end = dfa.differAt[state + 1] ?? 0
  for (let at = dfa.differAt[state] ?? 0; at < end; at++) {
    if (dfa.differClass[at] === byteClass) return dfa.differNext[at] ?? 0
  }
  return dfa.rows[dfa.rowOf[state] ?? 0]?.[byteClass] ?? 0
}
