/**
 * Subset construction that stays linear for the shapes that rules have.
 *
 * A set of nodes is split in those that loop on every byte (what follows a `.*`),
 * with all that jumps reach from them, and the rest. The looping part alone is a
 * state too, and its row is the default row of every state that contains it, as the
 * root is in Aho and Corasick's automaton: only the classes that the rest moves on
 * are computed and stored. Tails `.*` are latched (see nfa.ts), so they never
 * multiply states. What multiplies nevertheless runs into a limit, not out of memory.
 */
import type { ByteSet } from './byte-set.ts'
import { AutomatonLimit, type Dfa } from './dfa.ts'
import { GrowingInts } from './growing.ts'
import { buildNfa, type GroupedPattern, type LatchPolicy } from './nfa.ts'
import { EDGE, NfaSteps } from './nfa-steps.ts'
import { StateSets } from './state-sets.ts'

/** States of one automaton: more would not fit into the largest tables. */
const MAX_STATES = 1 << 20
/** Node numbers in all sets together: 64 MB. */
const MAX_ELEMENTS = 1 << 24
/** Edges followed and nodes listed: a few seconds. Counted, not clocked, so that the answer is the same everywhere. */
const MAX_WORK = 1 << 25
const COSTLY_SHOWN = 3

export type DfaOptions = {
  readonly alphabet: ByteSet
  readonly latches: LatchPolicy
  /** Less than MAX_WORK, for a caller with less time. */
  readonly work?: number
}

class Determinizer {
  private readonly patterns: readonly GroupedPattern[]
  private readonly steps: NfaSteps
  private readonly states = new StateSets()
  private readonly rows: Int32Array[] = []
  private readonly rowOf = new GrowingInts()
  /** base state -> its default row */
  private readonly baseRows = new Map<number, number>()
  private readonly baseSets = new Map<string, number>()
  private readonly differAt = new GrowingInts()
  private readonly differClass = new GrowingInts()
  private readonly differNext = new GrowingInts()
  private readonly buckets: Int32Array[][]
  private work = 0
  private readonly maxWork: number

  constructor(patterns: readonly GroupedPattern[], options: DfaOptions) {
    this.patterns = patterns
    this.maxWork = options.work ?? MAX_WORK
    this.steps = new NfaSteps(buildNfa(patterns, options.alphabet, options.latches), options.alphabet)
    this.buckets = Array.from({ length: this.steps.classes.count }, () => [])
  }

  run(): Dfa {
    this.states.intern(new Int32Array(0), 0)
    this.rows.push(new Int32Array(this.steps.classes.count))
    this.baseRows.set(0, 0)
    const start = this.state([Int32Array.of(0)], EDGE)
    // States are numbered as they are found, so this loop ends when none is new.
    for (let state = 0; state < this.states.sets.length; state++) {
      this.expand(state)
      this.checkLimits()
    }
    this.differAt.push(this.differNext.length)
    return { ...this.groups(), ...this.transitions(), start, states: this.states.sets.length }
  }

  private transitions() {
    return {
      classes: this.steps.classes.of,
      stride: this.steps.classes.count,
      rows: this.rows,
      rowOf: this.rowOf.done(),
      differAt: this.differAt.done(),
      differClass: Uint8Array.from(this.differClass.done()),
      differNext: this.differNext.done(),
    }
  }

  private state(lists: readonly Int32Array[], before: number): number {
    const set = this.steps.close(lists, before)
    return this.states.intern(set, this.steps.waits(set) ? before + 1 : 0)
  }

  private expand(state: number): void {
    this.differAt.push(this.differNext.length)
    const set = this.states.sets[state] as Int32Array
    this.work += set.length
    const context = this.states.contexts.at(state)
    if (context > 0) {
      this.rowOf.push(this.waitingRow(set, context - 1))
      return
    }
    const base = this.baseOf(set)
    const row = this.baseRow(base)
    this.rowOf.push(row)
    if (base !== state) this.differences(set, base, this.rows[row] as Int32Array)
  }

  /** The state of what loops in the set, and of what jumps reach from there. */
  private baseOf(set: Int32Array): number {
    const loops = set.filter((node) => this.steps.loops[node] === 1)
    if (loops.length === 0) return 0
    const key = loops.join(' ')
    const known = this.baseSets.get(key)
    if (known !== undefined) return known
    const closed = this.steps.close([loops], EDGE + 1)
    const base = this.steps.waits(closed) ? 0 : this.states.intern(closed, 0)
    this.baseSets.set(key, base)
    return base
  }

  private baseRow(base: number): number {
    const known = this.baseRows.get(base)
    if (known !== undefined) return known
    const row = new Int32Array(this.steps.classes.count)
    for (const byteClass of this.fill(this.states.sets[base] as Int32Array)) {
      row[byteClass] = this.state(this.buckets[byteClass] as Int32Array[], this.kind(byteClass))
    }
    this.empty()
    const number = this.rows.push(row) - 1
    this.baseRows.set(base, number)
    return number
  }

  private differences(set: Int32Array, base: number, row: Int32Array): void {
    const inBase = this.states.sets[base] as Int32Array
    const rest = inBase.length === 0 ? set : set.filter((node) => !includes(inBase, node))
    let last: Int32Array[] = []
    let lastBase = -1
    let lastKind = -1
    let lastNext = -1
    for (const byteClass of this.fill(rest)) {
      const bucket = this.buckets[byteClass] as Int32Array[]
      this.work += bucket.length
      const inherited = row[byteClass] as number
      const kind = this.kind(byteClass)
      if (inherited !== lastBase || kind !== lastKind || !sameLists(bucket, last)) {
        const inheritedSet = this.states.sets[inherited] as Int32Array
        lastNext = this.state(inherited === 0 ? bucket : [inheritedSet, ...bucket], kind)
        last = bucket
        lastBase = inherited
        lastKind = kind
      }
      if (lastNext === inherited) continue
      this.differClass.push(byteClass)
      this.differNext.push(lastNext)
    }
    this.empty()
  }

  /** A set with waiting assertions: what holds depends on each kind of next byte. */
  private waitingRow(set: Int32Array, before: number): number {
    const row = new Int32Array(this.steps.classes.count)
    for (const kind of new Set(this.steps.kinds)) {
      for (const byteClass of this.fill(this.steps.close([set], before, kind))) {
        if (this.steps.kinds[byteClass] !== kind) continue
        row[byteClass] = this.state(this.buckets[byteClass] as Int32Array[], kind)
      }
      this.empty()
    }
    return this.rows.push(row) - 1
  }

  /** Sort the nodes' targets into buckets by class; the classes that have any. */
  private fill(nodes: Int32Array): number[] {
    const touched: number[] = []
    for (let i = 0; i < nodes.length; i++) {
      for (const step of this.steps.stepsOf(nodes[i] as number)) {
        this.work += step.classes.length
        for (let j = 0; j < step.classes.length; j++) {
          const byteClass = step.classes[j] as number
          const bucket = this.buckets[byteClass] as Int32Array[]
          if (bucket.length === 0) touched.push(byteClass)
          bucket.push(step.targets)
        }
      }
    }
    this.touched = touched
    return touched
  }

  private touched: readonly number[] = []

  private empty(): void {
    for (const byteClass of this.touched) this.buckets[byteClass] = []
  }

  private kind(byteClass: number): number {
    return this.steps.asserts ? (this.steps.kinds[byteClass] as number) : EDGE + 1
  }

  private groups() {
    const { nfa } = this.steps
    const groupSets: number[][] = [[]]
    const known = new Map<string, number>([['', 0]])
    const intern = (set: Int32Array, of: Nfa['finals']): number => {
      const found = new Set<number>()
      for (let i = 0; i < set.length; i++) for (const group of of[set[i] as number] ?? []) found.add(group)
      if (found.size === 0) return 0
      const sorted = [...found].sort((a, b) => a - b)
      const key = sorted.join(' ')
      const number = known.get(key) ?? groupSets.push(sorted) - 1
      known.set(key, number)
      return number
    }
    const finals = new Int32Array(this.states.sets.length)
    const latches = new Int32Array(this.states.sets.length)
    this.states.sets.forEach((set, state) => {
      const context = this.states.contexts.at(state)
      finals[state] = intern(context > 0 ? this.steps.close([set], context - 1, EDGE) : set, nfa.finals)
      latches[state] = intern(set, nfa.latches)
    })
    return { groupSets, finals, latches }
  }

  private checkLimits(): void {
    const { sets, elements } = this.states
    if (sets.length <= MAX_STATES && elements <= MAX_ELEMENTS && this.work + this.steps.work <= this.maxWork)
      return
    const cost = new Float64Array(this.patterns.length)
    for (const set of sets) {
      for (const node of set) {
        const owner = this.steps.nfa.owners[node] as number
        cost[owner] = (cost[owner] as number) + 1
      }
    }
    const order = [...cost.keys()].sort((a, b) => (cost[b] as number) - (cost[a] as number))
    throw new AutomatonLimit(
      `the patterns together need more than ${MAX_STATES} states or ${this.maxWork} steps to build`,
      order.slice(0, COSTLY_SHOWN).map((index) => this.patterns[index]?.text ?? ''),
    )
  }
}

type Nfa = NfaSteps['nfa']

function includes(sorted: Int32Array, value: number): boolean {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return sorted[low] === value
}

function sameLists(a: readonly Int32Array[], b: readonly Int32Array[]): boolean {
  return a.length === b.length && a.every((list, index) => list === b[index])
}

/** Throws AutomatonLimit when the patterns' product is too large. */
export function determinize(patterns: readonly GroupedPattern[], options: DfaOptions): Dfa {
  return new Determinizer(patterns, options).run()
}
