/** Which software runs in which mode, and why: what the suite prints. */
import type { ClientReason } from '../../../../bpf/abi/heddle.gen.ts'

export type Ways = Record<keyof typeof ClientReason, number>
/** `kernel`: the share of `requests` that the kernel carried. `reasons`: why the relay was asked. */
export type Cell = {
  requests: number
  kernel: number
  reasons: string[]
  wrong: readonly string[]
}

/** Requests by the kernel's own count, between two moments. */
export function cellOf(before: Ways, now: Ways, ran: { requests: number; wrong: readonly string[] }): Cell {
  const made = (Object.keys(now) as (keyof Ways)[]).map((name) => ({ name, count: now[name] - before[name] }))
  const kernel = made.find(({ name }) => name === 'KERNEL_ROUTED')?.count ?? 0
  const slow = made.filter(
    ({ name, count }) => count > 0 && name.startsWith('SLOW_') && name !== 'SLOW_FOLLOWS',
  )
  return {
    ...ran,
    // A load that is cut off at its end has asked for more than it counts.
    kernel: Math.min(1, kernel / ran.requests),
    reasons: slow.map(({ name }) => name.slice('SLOW_'.length).toLowerCase()),
  }
}

function textOf({ kernel, reasons, wrong }: Cell): string {
  if (wrong.length > 0) return `FAILED ${wrong[0]}`
  if (kernel === 0) return `ok, by the relay: ${reasons.join(', ')}`
  return `ok, ${Math.floor(100 * kernel)} % in the kernel${reasons.length > 0 ? `; ${reasons.join(', ')}` : ''}`
}

export class Table {
  private readonly rows: string[][]

  constructor(columns: readonly string[]) {
    this.rows = [[...columns]]
  }

  add(names: readonly string[], cells: readonly (Cell | string)[]): void {
    this.rows.push([...names, ...cells.map((cell) => (typeof cell === 'string' ? cell : textOf(cell)))])
  }

  toString(): string {
    const widths = this.rows.reduce(
      (most, row) => row.map((text, i) => Math.max(most[i] ?? 0, text.length)),
      [] as number[],
    )
    return this.rows
      .map((row) =>
        row
          .map((text, i) => text.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd(),
      )
      .join('\n')
  }
}
