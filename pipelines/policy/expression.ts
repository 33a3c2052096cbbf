/** The one door to RE2: what front-ends check and the evaluator runs is what the compiler compiles. */
import { matchesFully, parseRegex } from '../automata/regex.ts'
import { Failure } from '../contract/failures.ts'

export type Expression = (bytes: Uint8Array) => boolean

/** RE2 as a full match on raw bytes. Throws Failure('expression-invalid') with the reason. */
export function compileExpression(pattern: string): Expression {
  const parsed = parseRegex(pattern)
  if (!parsed.ok)
    throw new Failure('expression-invalid', `${parsed.reason} (at character ${parsed.offset + 1})`)
  return (bytes) => matchesFully(parsed.node, bytes)
}
