/** Sets of blocks as bit rows: bit i = block i. Interned, so equal rows are one. */
export type Row = bigint

export class RowTable {
  readonly rows: Row[] = []
  private readonly numbers = new Map<Row, number>()

  number(row: Row): number {
    const known = this.numbers.get(row) ?? this.rows.push(row) - 1
    this.numbers.set(row, known)
    return known
  }
}

export function rowOf(blocks: Iterable<number>): Row {
  let row = 0n
  for (const block of blocks) row |= 1n << BigInt(block)
  return row
}
