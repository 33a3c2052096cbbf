/** (protocol, port) → row of the blocks whose ports match. Every input has a row. */
import type { Dfa } from '../automata/dfa.ts'
import type { Ports, Protocol } from '../policy/model.ts'
import type { FullBlock } from './blocks.ts'
import { FixedAutomaton } from './fixed-automaton.ts'
import { type RowTable, rowOf } from './rows.ts'

/** IANA protocol numbers. */
const NUMBERS: Readonly<Record<Exclude<Protocol, 'ANY'>, number>> = { TCP: 6, UDP: 17, SCTP: 132 }
const PORTS = 65_536

function speaksOf(range: Ports, protocol: Protocol): boolean {
  return range.protocol === 'ANY' || range.protocol === protocol
}

/** Final = number of the row in `table`, plus 1. */
export function portAutomaton(blocks: readonly FullBlock[], table: RowTable): Dfa {
  const automaton = new FixedAutomaton()
  const always = rowOf(blocks.flatMap((block, index) => (block.ports === null ? [index] : [])))
  const other = automaton.constant(table.number(always) + 1)
  const protocols = new Int32Array(256).fill(other)
  for (const protocol of ['TCP', 'UDP', 'SCTP'] as const) {
    // Rows change only where a range begins or has ended.
    const ranges = blocks.flatMap(({ ports }) => ports ?? []).filter((range) => speaksOf(range, protocol))
    const changes = new Set([0, ...ranges.flatMap(({ first, last }) => [first, last + 1])])
    const starts = [...changes].filter((port) => port < PORTS).sort((a, b) => a - b)
    const rows = starts.map((port) => {
      const holds = (range: Ports) => speaksOf(range, protocol) && range.first <= port && port <= range.last
      const here = blocks.flatMap(({ ports }, index) => (ports?.some(holds) ? [index] : []))
      return automaton.constant(table.number(always | rowOf(here)) + 1)
    })
    protocols[NUMBERS[protocol]] = twoBytes(automaton, starts, rows)
  }
  return automaton.done(automaton.branch(protocols))
}

/** The state that reads a port in network order; `states[i]` holds from `starts[i]` on. */
function twoBytes(automaton: FixedAutomaton, starts: readonly number[], states: readonly number[]): number {
  let index = 0
  const high = new Int32Array(256)
  for (let upper = 0; upper < 256; upper++) {
    const low = new Int32Array(256)
    for (let lower = 0; lower < 256; lower++) {
      const port = (upper << 8) | lower
      while ((starts[index + 1] ?? PORTS) <= port) index++
      low[lower] = states[index] as number
    }
    high[upper] = automaton.branch(low)
  }
  return automaton.branch(high)
}
