/**
 * Tables of one small policy, laid by hand: the kernel's side is tested here
 * without the compiler, so that neither can excuse the other. Format:
 * bpf/abi/heddle.h. Every state keeps its few named transitions in the comb and
 * falls back to a dense row that is the same for all bytes.
 */
import { Abi, Diagram, Field, Next, TablesLayout } from '../../../bpf/abi/heddle.gen.ts'

/** A request is allowed when its method is listed and its path begins with a prefix. */
export type HandPolicy = { methods: string[]; prefixes: string[] }

/** Bits of the two blocks: 0 makes its subjects default-deny, 1 judges. */
const SELECTS = 1
const JUDGES = 2
export const BLOCKS = BigInt(SELECTS | JUDGES)
/** The one Host value that the tables know by name. */
export const NAMED_HOST = 'x'

const HEADER_WORDS = TablesLayout.bytes / 4
const HOST_DIMENSION = 1

type HandState = { next: Map<number, number>; otherwise: number; final: number; latch?: number }
/** State 0 is dead, state 1 the start. */
type HandAutomaton = HandState[]

const newState = (otherwise = 0): HandState => ({ next: new Map(), otherwise, final: 0 })

/** 32-bit words that grow; `at` is where the next one goes. */
class Words {
  readonly list: number[] = []
  get at(): number {
    return this.list.length
  }
  /** Rows are read 64 bits at a time. */
  align(): void {
    if (this.at % 2 === 1) this.list.push(0)
  }
  add(...words: number[]): number {
    this.align()
    const at = this.at
    this.list.push(...words)
    return at
  }
  set(at: number, ...words: number[]): void {
    for (const [i, word] of words.entries()) this.list[at + i] = word >>> 0
  }
}

/** Words (each with its final value) as a tree of states. */
function wordAutomaton(words: Record<string, number>, fold = false): HandAutomaton {
  const states = [newState(), newState()]
  for (const [word, final] of Object.entries(words)) {
    let at = 1
    for (const byte of Buffer.from(word)) {
      const state = states[at] as HandState
      const next = state.next.get(byte) ?? states.push(newState()) - 1
      state.next.set(byte, next)
      if (fold) state.next.set(Buffer.from(String.fromCharCode(byte).toUpperCase())[0] as number, next)
      at = next
    }
    ;(states[at] as HandState).final = final
  }
  return states
}

/** Latch 0 is reported where a prefix ends; what follows does not matter. */
function prefixAutomaton(prefixes: string[]): HandAutomaton {
  const ends = wordAutomaton(Object.fromEntries(prefixes.map((prefix) => [prefix, 1])))
  return ends.map((state) => (state.final ? { ...newState(), latch: 0 } : state))
}

/** Any `bytes` bytes end in final value 1. */
function anyBytes(bytes: number): HandAutomaton {
  const states = [newState(), ...Array.from({ length: bytes }, (_, i) => newState(i + 2)), newState()]
  ;(states.at(-1) as HandState).final = 1
  return states
}

/** Lays one automaton and returns its struct heddle_dfa. */
function layAutomaton(words: Words, automaton: HandAutomaton): number[] {
  const named = [...new Set(automaton.flatMap((state) => [...state.next.keys()]))]
  const classOf = new Map(named.map((byte, i) => [byte, i + 1]))
  const stride = named.length + 1
  const classes = Buffer.alloc(256)
  for (const [byte, number] of classOf) classes[byte] = number
  const classesAt = words.add(...Array.from({ length: 64 }, (_, i) => classes.readUInt32LE(4 * i)))
  // Far enough apart that no two states share an entry.
  const id = (state: number) => (state === 0 ? 0 : 2 + (state - 1) * (stride + 2))
  const next = (state: number) => id(state) + (automaton[state]?.latch === undefined ? 0 : Next.NEXT_LATCH)
  const combAt = words.add(...Array<number>(2 * (id(automaton.length) + stride + 2)).fill(0))
  const denseAt = words.add(
    ...automaton.flatMap((state) => Array<number>(stride).fill(next(state.otherwise))),
  )
  for (const [i, state] of automaton.entries()) {
    if (i === 0) continue
    words.set(combAt + 2 * id(i), i, state.final)
    if (state.latch !== undefined) words.set(combAt + 2 * (id(i) + 1), state.latch + 1)
    for (const [byte, target] of state.next)
      words.set(combAt + 2 * (id(i) + 2 + (classOf.get(byte) as number)), id(i), next(target))
  }
  return [id(1), stride, classesAt, combAt, denseAt, 0]
}

const FIELDS = {
  'content-length': Field.FIELD_CONTENT_LENGTH,
  'transfer-encoding': Field.FIELD_TRANSFER_ENCODING,
  host: Field.FIELD_HOST | (HOST_DIMENSION << 8),
  connection: Field.FIELD_CONNECTION,
  upgrade: Field.FIELD_UPGRADE,
}

/** One node: a listed method leads to leaf 1, any other to leaf 0. Returns where it is, and its root. */
function layDiagram(words: Words): { at: number; root: number } {
  const root = 2
  const at = words.add(...Array<number>(16).fill(0))
  words.set(at + 2 * root, Diagram.LEAF, 0)
  words.set(at + 2 * (root + 1 + Diagram.CLASS_FIRST), root, Diagram.LEAF | 1)
  return { at, root }
}

/** The blob, padded to a capacity of 2^capacityLog2 words. */
export function handTables(policy: HandPolicy, capacityLog2: number): Buffer {
  const words = new Words()
  words.add(...Array<number>(HEADER_WORDS).fill(0))
  const methods = Object.fromEntries(policy.methods.map((method) => [method, Diagram.CLASS_FIRST]))
  const automata = [
    wordAutomaton(methods),
    prefixAutomaton(policy.prefixes),
    wordAutomaton(FIELDS, true),
    anyBytes(4),
    anyBytes(16),
    anyBytes(3),
  ].flatMap((automaton) => layAutomaton(words, automaton))
  const host = layAutomaton(words, wordAutomaton({ [NAMED_HOST]: Diagram.CLASS_FIRST }))
  const valuesAt = words.add(...Array<number>(6).fill(0), ...host)
  const diagram = layDiagram(words)
  const rootsAt = words.add(diagram.root)
  const leavesAt = words.add(0, 0, JUDGES, 0)
  const rowsAt = words.add(SELECTS | JUDGES, 0)
  const [selects, denies, allows, judges, opaque] = [SELECTS, 0, 0, JUDGES, 0].map((row) => words.add(row, 0))
  const header = [Abi.TABLES_MAGIC, Abi.ABI, words.at, 1, 2, 2, 1, 0, ...automata]
  header.push(valuesAt, diagram.at, rootsAt, leavesAt, rowsAt)
  words.set(0, ...header, ...[selects, denies, allows, judges, opaque].map((at) => at as number))
  const blob = Buffer.alloc(4 << capacityLog2)
  for (const [i, word] of words.list.entries()) blob.writeUInt32LE(word >>> 0, 4 * i)
  return blob
}
