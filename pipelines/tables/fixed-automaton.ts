/** Automata over inputs of a fixed length (ports, addresses), built by rows of 256. */
import type { Dfa } from '../automata/dfa.ts'

const BYTES = 256

export class FixedAutomaton {
  /** State 0 is dead and never reached. */
  private readonly rows: Int32Array[] = [new Int32Array(BYTES)]
  private readonly finals: number[] = [0]
  private readonly known = new Map<string, number>()
  private readonly constants = new Map<number, number>()

  /** A state that answers `final` whatever follows. */
  constant(final: number): number {
    const known = this.constants.get(final)
    if (known !== undefined) return known
    const state = this.finals.push(final) - 1
    this.rows.push(new Int32Array(BYTES).fill(state))
    this.constants.set(final, state)
    return state
  }

  /** A state with these 256 successors; equal ones are the same state. */
  branch(next: Int32Array): number {
    const first = next[0] as number
    if (this.rows[first]?.[0] === first && next.every((state) => state === first)) return first
    const key = next.join()
    const known = this.known.get(key)
    if (known !== undefined) return known
    const state = this.finals.push(0) - 1
    this.rows.push(next)
    this.known.set(key, state)
    return state
  }

  /** As a Dfa whose `finals` are the numbers given to constant(). */
  done(start: number): Dfa {
    const columns = new Map<string, number>()
    const classes = new Uint8Array(BYTES)
    const samples: number[] = []
    for (let byte = 0; byte < BYTES; byte++) {
      const column = this.rows.map((row) => row[byte]).join()
      const known = columns.get(column) ?? samples.push(byte) - 1
      columns.set(column, known)
      classes[byte] = known
    }
    const states = this.rows.length
    return {
      classes,
      stride: samples.length,
      states,
      start,
      rows: this.rows.map((row) => Int32Array.from(samples, (byte) => row[byte] as number)),
      rowOf: Int32Array.from({ length: states }, (_, state) => state),
      differAt: new Int32Array(states + 1),
      differClass: new Uint8Array(0),
      differNext: new Int32Array(0),
      finals: Int32Array.from(this.finals),
      latches: new Int32Array(states),
      groupSets: [[]],
    }
  }
}
