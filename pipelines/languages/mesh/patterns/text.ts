/** What all texts of a match have in common: their length, and lists that mean any of them. */
import { utf8 } from '../../../bytes.ts'
import type { Condition, Leaf } from '../../../policy/condition.ts'
import { checkExpression } from '../../expressions.ts'
import type { Reader } from '../../reader.ts'
import type { Path } from '../../source-node.ts'

/** Bytes of a text: an eighth of the longest head (MAX_HEAD_BYTES), and more than names and paths have. */
const MAX_TEXT_BYTES = 2048

/** False, and refused, when it is too long to be compared. */
export function fits(reader: Reader, path: Path, text: string): boolean {
  const { length } = utf8(text)
  if (length <= MAX_TEXT_BYTES) return true
  const message = `a text of ${length} bytes, more than ${MAX_TEXT_BYTES}`
  reader.refuse(path, 'limit-exceeded', message, `write at most ${MAX_TEXT_BYTES} bytes`)
  return false
}

/** RE2 that is short enough and compiles; else it is refused. */
export function readExpression(reader: Reader, path: Path, text: string): void {
  if (fits(reader, path, text)) checkExpression(reader, path, text)
}

/** Reads one text of a field; undefined = refused. */
export type ReadText = (reader: Reader, path: Path, text: string) => Leaf | undefined

/** A field with one text, or a list of which any may hold. */
export function anyOf(
  reader: Reader,
  path: Path,
  value: string | string[] | undefined,
  read: ReadText,
): Condition[] {
  if (value === undefined) return []
  const written: [string, Path][] =
    typeof value === 'string' ? [[value, path]] : value.map((text, index) => [text, [...path, index]])
  const leaves = written.flatMap(([text, at]) =>
    fits(reader, at, text) ? (read(reader, at, text) ?? []) : [],
  )
  return leaves.length > 1 ? [{ kind: 'any', of: leaves }] : leaves
}
