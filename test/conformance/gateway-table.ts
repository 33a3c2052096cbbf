/** What became of the Gateway API's rows, a line a test. */

/** Rows by what became of them; `failed` says of each what differs. */
export type Line = {
  name: string
  pass: number
  refused: number
  failed: string[]
  absent: number
  why: string
}

const COLUMNS = ['pass', 'refused', 'failed', 'absent'] as const
type Column = (typeof COLUMNS)[number]
const count = (line: Line, column: Column) => (column === 'failed' ? line.failed.length : line[column])
export const sumOf = (list: readonly Line[], column: Column) =>
  list.reduce((sum, line) => sum + count(line, column), 0)
const NAME_WIDTH = 50
const COLUMN_WIDTH = 8

/** A line a test, and the sums. */
export function table(list: readonly Line[]): string[] {
  const cells = (texts: readonly (string | number)[]) =>
    texts.map((text) => String(text).padStart(COLUMN_WIDTH)).join('')
  return [
    'test'.padEnd(NAME_WIDTH) + cells(COLUMNS),
    ...list.map((line) => {
      const counts = COLUMNS.map((column) => count(line, column) || '')
      return `${line.name.padEnd(NAME_WIDTH)}${cells(counts)}  ${line.why}`.trimEnd()
    }),
    'rows'.padEnd(NAME_WIDTH) + cells(COLUMNS.map((column) => sumOf(list, column))),
  ]
}
