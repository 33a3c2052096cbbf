/** The known name that somebody who wrote an unknown one most likely meant. */

/** Edits (insert, delete, replace, swap of neighbours) from one name to another. */
function distance(left: string, right: string): number {
  const rows = Array.from({ length: left.length + 1 }, (_, row) => [row])
  const cell = (row: number, column: number) => rows[row]?.[column] ?? Number.POSITIVE_INFINITY
  for (let column = 0; column <= right.length; column++) (rows[0] as number[])[column] = column
  for (let row = 1; row <= left.length; row++) {
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1]
      let best = Math.min(
        cell(row - 1, column) + 1,
        cell(row, column - 1) + 1,
        cell(row - 1, column - 1) + Number(!same),
      )
      if (left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]) {
        best = Math.min(best, cell(row - 2, column - 2) + 1)
      }
      ;(rows[row] as number[])[column] = best
    }
  }
  return cell(left.length, right.length)
}

/** Undefined when nothing is near enough: a third of the name, letter case aside. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const LONGEST = 64
  if (name.length > LONGEST) return undefined
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((left, right) => left.edits - right.edits)
  const best = ranked[0]
  return best !== undefined && best.edits <= Math.max(1, Math.floor(name.length / 3))
    ? best.candidate
    : undefined
}
