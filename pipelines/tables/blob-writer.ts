/** Lays sections out in one blob of little-endian 32-bit words. */
import { Failure } from '../contract/failures.ts'
import { DFA_WORDS, HEADER_WORDS, MAX_WORDS_LOG2 } from './layout.ts'
import type { PackedAutomaton } from './pack-automaton.ts'
import type { Row } from './rows.ts'

const WORD = 0xffffffffn

export class BlobWriter {
  private words = new Uint32Array(1 << 14)
  /** Words in use; always even, so that every section starts 8-byte aligned. */
  length = (HEADER_WORDS + 1) & ~1

  set(at: number, value: number): void {
    this.words[at] = value
  }

  /** Append a section; its word index. Throws Failure('limit-exceeded') above the largest capacity. */
  append(section: ArrayLike<number>): number {
    const start = this.reserve(section.length)
    this.words.set(section, start)
    return start
  }

  /** Rows of `rowU64` 64-bit words each. */
  rows(rows: readonly Row[], rowU64: number): number {
    const words = rows.flatMap((row) =>
      Array.from({ length: rowU64 * 2 }, (_, index) => Number((row >> BigInt(index * 32)) & WORD)),
    )
    return this.append(words)
  }

  /** Parts of an automaton; the six words of its struct heddle_dfa. */
  automaton(automaton: PackedAutomaton): number[] {
    const classesAt = this.append(automaton.classes)
    const denseAt = this.append(automaton.dense)
    // Entries below the first state are never read, so they need no room of their own.
    const before = automaton.firstEntry * 2
    if (this.length < before) this.reserve(before - this.length)
    const combAt = this.append(automaton.comb) - before
    return [automaton.start, automaton.stride, classesAt, combAt, denseAt, automaton.finalEmpty]
  }

  /** Room for `count` structs heddle_dfa. */
  automata(count: number): number {
    return this.reserve(count * DFA_WORDS)
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.length * 4)
    const view = new DataView(bytes.buffer)
    for (let at = 0; at < this.length; at++) view.setUint32(at * 4, this.words[at] as number, true)
    return bytes
  }

  private reserve(words: number): number {
    const start = this.length
    this.length = (start + words + 1) & ~1
    if (this.length > 1 << MAX_WORDS_LOG2) {
      throw new Failure('limit-exceeded', `the rules need more than ${1 << MAX_WORDS_LOG2} words of tables`)
    }
    if (this.length > this.words.length) {
      const larger = new Uint32Array(1 << (32 - Math.clz32(this.length)))
      larger.set(this.words)
      this.words = larger
    }
    return start
  }
}
