/** Address of a peer that is no workload → row of the blocks that speak of it. */
import type { Dfa } from '../automata/dfa.ts'
import { type Prefix, parsePrefix } from '../policy/address.ts'
import { Failure } from '../contract/failures.ts'
import { at, type FullBlock } from './blocks.ts'
import { FixedAutomaton } from './fixed-automaton.ts'
import { type Row, type RowTable, rowOf } from './rows.ts'

/** One CIDR of one block, and what it leaves out. */
type Entry = { readonly block: number; readonly cidr: Prefix; readonly except: readonly Prefix[] }

function prefix(text: string, block: FullBlock): Prefix {
  const parsed = parsePrefix(text)
  if (!parsed) throw new Failure('schema-violation', `${at(block.source)}: ${text} is no address range`)
  return parsed
}

/** How a prefix and the `depth` bytes that were read meet. */
function meets({ address, bits }: Prefix, depth: number, byte: number): 'covers' | 'inside' | 'apart' {
  const kept = Math.min(8, Math.max(0, bits - (depth - 1) * 8))
  const mask = (0xff00 >> kept) & 0xff
  if ((((address[depth - 1] as number) ^ byte) & mask) !== 0) return 'apart'
  return bits <= depth * 8 ? 'covers' : 'inside'
}

class AddressBuilder {
  readonly automaton = new FixedAutomaton()
  private readonly always: Row
  private readonly table: RowTable

  constructor(always: Row, table: RowTable) {
    this.always = always
    this.table = table
  }

  /** `done` is the row of what is decided; `open` the entries that later bytes decide. */
  state(depth: number, decided: Row, open: readonly Entry[]): number {
    if (open.length === 0) return this.automaton.constant(this.table.number(this.always | decided) + 1)
    const next = new Int32Array(256)
    for (let byte = 0; byte < 256; byte++) {
      let row = decided
      const left: Entry[] = []
      for (const entry of open) {
        const step = this.step(entry, depth + 1, byte)
        if (step === 'matches') row |= 1n << BigInt(entry.block)
        else if (step) left.push(step)
      }
      next[byte] = this.state(depth + 1, row, left)
    }
    return this.automaton.branch(next)
  }

  private step(entry: Entry, depth: number, byte: number): Entry | 'matches' | null {
    const covered = entry.cidr.bits <= (depth - 1) * 8
    const cidr = covered ? 'covers' : meets(entry.cidr, depth, byte)
    if (cidr === 'apart') return null
    const except = entry.except.filter(
      (each) => each.bits <= (depth - 1) * 8 || meets(each, depth, byte) !== 'apart',
    )
    if (except.some((each) => each.bits <= depth * 8)) return null
    return cidr === 'covers' && except.length === 0 ? 'matches' : { ...entry, except }
  }
}

/**
 * Final = number of the row in `table`, plus 1; every address has one: blocks with
 * a matching CIDR, and those for everyone. `width`: 4 or 16 bytes.
 */
export function addressAutomaton(blocks: readonly FullBlock[], width: 4 | 16, table: RowTable): Dfa {
  const entries: Entry[] = blocks.flatMap((block, index) =>
    block.cidrs
      .map(({ cidr, except }) => ({
        block: index,
        cidr: prefix(cidr, block),
        except: except.map((each) => prefix(each, block)),
      }))
      .filter((entry) => entry.cidr.address.length === width)
      .map((entry) => ({ ...entry, except: entry.except.filter((each) => each.address.length === width) })),
  )
  const everyone = rowOf(blocks.flatMap((block, index) => (block.peers === null ? [index] : [])))
  const whole = entries.filter(({ cidr, except }) => cidr.bits === 0 && except.length === 0)
  const open = entries.filter(
    (entry) => !whole.includes(entry) && !entry.except.some(({ bits }) => bits === 0),
  )
  const builder = new AddressBuilder(everyone, table)
  return builder.automaton.done(builder.state(0, rowOf(whole.map(({ block }) => block)), open))
}
