/** The NFA in the form that determinization reads: closed targets, classes instead of sets. */
import { type ByteClasses, byteClasses } from './byte-classes.ts'
import { type ByteSet, membership, single } from './byte-set.ts'
import type { Nfa } from './nfa.ts'
import { WORD } from './regex-class.ts'
import type { Assertion } from './regex-node.ts'

/** What an assertion wants to know of a neighbour: is it the text's edge, a word byte, a newline? */
export const EDGE = 0
const WORD_BYTE = 1
const NEWLINE = 2
const OTHER = 3

/** What an edge means in the automaton: on these classes, to all of these nodes. */
export type Step = { readonly classes: Int32Array; readonly targets: Int32Array }

const LOOK_AHEAD: ReadonlySet<Assertion | null> = new Set(['text-end', 'line-end', 'word', 'not-word'])

function holds(at: Assertion, before: number, after: number): boolean {
  switch (at) {
    case 'text-start':
      return before === EDGE
    case 'text-end':
      return after === EDGE
    case 'line-start':
      return before === EDGE || before === NEWLINE
    case 'line-end':
      return after === EDGE || after === NEWLINE
    case 'word':
      return (before === WORD_BYTE) !== (after === WORD_BYTE)
    case 'not-word':
      return (before === WORD_BYTE) === (after === WORD_BYTE)
  }
}

export class NfaSteps {
  readonly nfa: Nfa
  readonly classes: ByteClasses
  /** class -> kind of its bytes, for assertions. */
  readonly kinds: Uint8Array
  /** Nodes that stay whatever byte comes. */
  readonly loops: Uint8Array
  private readonly steps = new Map<number, readonly Step[]>()
  private readonly stamps: Int32Array
  private stamp = 0
  /** Nodes and jumps looked at so far: what a limit on work counts. */
  work = 0
  private readonly looks: boolean

  constructor(nfa: Nfa, alphabet: ByteSet) {
    this.nfa = nfa
    const asserts = new Set(nfa.jumps.flatMap((jumps) => jumps.flatMap(([at]) => at ?? [])))
    // A class must be of one kind where an assertion asks for kinds.
    const split = asserts.size > 0 ? [WORD, single(0x0a)] : []
    const all = byteClasses([...nfa.sets, ...split], alphabet)
    this.classes = all
    this.looks = asserts.size > 0
    this.kinds = new Uint8Array(all.count).fill(OTHER)
    if (this.looks) {
      const word = membership(WORD)
      for (let byte = 0; byte < 256; byte++) {
        this.kinds[all.of[byte] as number] = byte === 0x0a ? NEWLINE : word[byte] === 1 ? WORD_BYTE : OTHER
      }
    }
    this.loops = new Uint8Array(nfa.edges.length)
    const allClasses = new Set(
      Array.from(membership(alphabet), (inside, byte) => (inside ? all.of[byte] : -1)),
    )
    allClasses.delete(-1)
    nfa.edges.forEach((edges, node) => {
      const stays = edges.some(([set, to]) => to === node && all.members[set]?.length === allClasses.size)
      this.loops[node] = stays ? 1 : 0
    })
    this.stamps = new Int32Array(nfa.edges.length)
  }

  /** Outgoing edges of a node. Targets are closed here where no assertion can depend on the byte. */
  stepsOf(node: number): readonly Step[] {
    const known = this.steps.get(node)
    if (known) return known
    const steps = (this.nfa.edges[node] ?? []).map(([set, target]) => ({
      classes: this.classes.members[set] ?? new Int32Array(0),
      targets: this.looks ? Int32Array.of(target) : this.close([Int32Array.of(target)], OTHER),
    }))
    this.steps.set(node, steps)
    return steps
  }

  /** Union of node lists and all that jumps reach from them behind a byte of kind `before`. */
  close(lists: readonly Int32Array[], before: number, after: number | null = null): Int32Array {
    const stamp = ++this.stamp
    const found: number[] = []
    for (const list of lists) {
      this.work += list.length
      for (let i = 0; i < list.length; i++) {
        const node = list[i] as number
        if (this.stamps[node] === stamp) continue
        this.stamps[node] = stamp
        found.push(node)
      }
    }
    for (let i = 0; i < found.length; i++) {
      for (const [at, target] of this.nfa.jumps[found[i] as number] as (typeof this.nfa.jumps)[number]) {
        this.work++
        if (this.stamps[target] === stamp) continue
        if (at !== null && after === null && LOOK_AHEAD.has(at)) continue
        if (at !== null && !holds(at, before, after ?? OTHER)) continue
        this.stamps[target] = stamp
        found.push(target)
      }
    }
    return found.length === 1 ? Int32Array.from(found) : Int32Array.from(found).sort()
  }

  /** Does an assertion in the set wait for the next byte? */
  waits(set: Int32Array): boolean {
    if (!this.looks) return false
    return set.some((node) => this.nfa.jumps[node]?.some(([at]) => at !== null && LOOK_AHEAD.has(at)))
  }

  get asserts(): boolean {
    return this.looks
  }
}
