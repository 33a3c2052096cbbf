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

/** By who asks: patterns of a policy set are few and asked for again and again, and leave with their policy. */
const compiled = new WeakMap<object, Expression>()

/** Does the pattern of `asking` fit this text, one character a byte? Throws as compileExpression(). */
export function expressionHolds(asking: { readonly value: string }, text: string): boolean {
  const known = compiled.get(asking) ?? compileExpression(asking.value)
  compiled.set(asking, known)
  return known(Uint8Array.from(text, (character) => character.charCodeAt(0)))
}
