/**
 * Choose a dense default row for each state of an automaton, so that few
 * transitions differ from it. Rows of the automaton are kept where many states
 * use them; a state with many differences looks for a state like it first.
 */
import type { Dfa } from '../automata/dfa.ts'

export type Rows = {
  readonly dense: readonly Int32Array[]
  readonly rowOf: Int32Array
  /** Exceptions of a state: class, next, class, next, ... */
  readonly differ: readonly (readonly number[])[]
}

/** Exceptions that are cheaper than looking for a better row. */
const FEW = 4
/** Recently used rows that are compared: bounds the time per state. */
const CANDIDATES = 48

class RowChooser {
  readonly dense: Int32Array[] = []
  private readonly numbers = new Map<string, number>()
  /** Most recently used first. */
  private recent: number[] = []

  number(row: Int32Array): number {
    const key = row.join()
    const known = this.numbers.get(key) ?? this.dense.push(row) - 1
    this.numbers.set(key, known)
    return known
  }

  /** The candidate closest to `row`, else a dense row of its own. */
  choose(row: Int32Array): number {
    let best = -1
    let fewest = Math.min(FEW + 4, row.length >> 1) + 1
    for (const candidate of this.recent) {
      const differs = difference(row, this.dense[candidate] as Int32Array, fewest)
      if (differs >= fewest) continue
      fewest = differs
      best = candidate
      if (differs <= 1) break
    }
    const chosen = best >= 0 ? best : this.number(row)
    if (this.recent[0] !== chosen) {
      this.recent = [chosen, ...this.recent.filter((each) => each !== chosen)].slice(0, CANDIDATES)
    }
    return chosen
  }
}

function difference(a: Int32Array, b: Int32Array, enough: number): number {
  let count = 0
  for (let i = 0; i < a.length && count < enough; i++) if (a[i] !== b[i]) count++
  return count
}

export function chooseRows(dfa: Dfa): Rows {
  const users = new Int32Array(dfa.rows.length)
  for (const row of dfa.rowOf) users[row] = (users[row] as number) + 1
  const chooser = new RowChooser()
  const dead = chooser.number(new Int32Array(dfa.stride))
  const rowOf = new Int32Array(dfa.states)
  const differ: number[][] = []
  const kept = new Map<number, number>()
  const keptNumber = (base: number): number => {
    const number = kept.get(base) ?? chooser.number(dfa.rows[base] as Int32Array)
    kept.set(base, number)
    return number
  }
  for (let state = 0; state < dfa.states; state++) {
    const base = dfa.rowOf[state] as number
    const from = dfa.differAt[state] as number
    const end = dfa.differAt[state + 1] as number
    const keep = end - from <= FEW && (users[base] as number) > 1
    const row = keep ? (dfa.rows[base] as Int32Array) : fullRow(dfa, state)
    rowOf[state] = state === 0 ? dead : keep ? keptNumber(base) : chooser.choose(row)
    const chosen = chooser.dense[rowOf[state] as number] as Int32Array
    const own: number[] = []
    if (keep)
      for (let at = from; at < end; at++)
        own.push(dfa.differClass[at] as number, dfa.differNext[at] as number)
    else for (let c = 0; c < row.length; c++) if (row[c] !== chosen[c]) own.push(c, row[c] as number)
    differ.push(own)
  }
  return { dense: chooser.dense, rowOf, differ }
}

function fullRow(dfa: Dfa, state: number): Int32Array {
  const row = Int32Array.from(dfa.rows[dfa.rowOf[state] as number] as Int32Array)
  const end = dfa.differAt[state + 1] as number
  for (let at = dfa.differAt[state] as number; at < end; at++) {
    row[dfa.differClass[at] as number] = dfa.differNext[at] as number
  }
  return row
}
