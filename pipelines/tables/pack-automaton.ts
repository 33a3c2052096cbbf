/** An automaton in the words of struct heddle_dfa. */
import type { Dfa } from '../automata/dfa.ts'
import { Comb } from './comb.ts'
import { chooseRows } from './default-rows.ts'
import { NEXT_LATCH } from './layout.ts'

export type PackedAutomaton = {
  readonly start: number
  readonly stride: number
  readonly finalEmpty: number
  /** 64 words: a class for each byte. */
  readonly classes: Uint32Array
  readonly dense: Uint32Array
  /** Comb entries from `firstEntry` on; what lies before it is no state and not stored. */
  readonly comb: Uint32Array
  readonly firstEntry: number
  /** Where a state stands, as the kernel names it. */
  place(state: number): number
}

/** What a state says: by state, 0 = nothing. */
export type StateOutputs = {
  final(state: number): number
  /** Latch number + 1. */
  latch(state: number): number
}

/** Entries of states: dense row number and final value; latch + 1 and 0. */
const HEADER = 2

export function packAutomaton(dfa: Dfa, outputs: StateOutputs): PackedAutomaton {
  const rows = chooseRows(dfa)
  let highestLatch = 0
  for (let state = 1; state < dfa.states; state++) highestLatch = Math.max(highestLatch, outputs.latch(state))
  // A header's first word is a row number or a latch, and an owner is a state. A
  // state that reads another's header must not take it for its own entry, so all
  // states are larger than any row number and latch.
  const firstEntry = Math.max(HEADER, rows.dense.length, highestLatch + 1)
  const comb = new Comb(firstEntry)
  const places = new Uint32Array(dfa.states)
  for (const state of inDepthOrder(dfa)) {
    const classes = (rows.differ[state] as readonly number[]).filter((_, index) => index % 2 === 0)
    places[state] = comb.place(HEADER, classes)
  }
  const next = (state: number): number =>
    state === 0 ? 0 : ((places[state] as number) | (outputs.latch(state) > 0 ? NEXT_LATCH : 0)) >>> 0
  for (let state = 1; state < dfa.states; state++) {
    const place = places[state] as number
    comb.set(place, rows.rowOf[state] as number, outputs.final(state))
    comb.set(place + 1, outputs.latch(state), 0)
    const differ = rows.differ[state] as readonly number[]
    for (let i = 0; i < differ.length; i += 2) {
      comb.set(place + HEADER + (differ[i] as number), place, next(differ[i + 1] as number))
    }
  }
  const dense = new Uint32Array(rows.dense.length * dfa.stride)
  rows.dense.forEach((row, number) => {
    row.forEach((state, at) => {
      dense[number * dfa.stride + at] = next(state)
    })
  })
  // Behind the last state, entries that a probe can reach stay empty.
  const end = comb.end + HEADER + dfa.stride
  return {
    start: places[dfa.start] as number,
    stride: dfa.stride,
    finalEmpty: outputs.final(dfa.start),
    classes: new Uint32Array(dfa.classes.slice().buffer),
    dense,
    comb: comb.copy(firstEntry, end),
    firstEntry,
    place: (state) => places[state] as number,
  }
}

/** States in the order of a walk, so that the states of one input lie close together. */
function inDepthOrder(dfa: Dfa): number[] {
  const seen = new Uint8Array(dfa.states)
  const order: number[] = []
  seen[0] = 1
  for (let root = 1; root < dfa.states; root++) {
    const stack = [root]
    for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
      if (seen[state] === 1) continue
      seen[state] = 1
      order.push(state)
      const end = dfa.differAt[state + 1] as number
      for (let at = dfa.differAt[state] as number; at < end; at++) stack.push(dfa.differNext[at] as number)
    }
  }
  return order
}
