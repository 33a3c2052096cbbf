/** Does a parsed request satisfy an HTTP match? */
import { utf8 } from '../bytes.ts'
import { byteText } from '../protocols/http1-grammar.ts'
import { fieldValues, joinedValues, type Request } from '../protocols/http1-request.ts'
import { conditionHolds } from './condition-match.ts'
import { compileExpression, type Expression } from './expression.ts'
import type { HeaderMatch, HttpMatch } from './model.ts'

/** The parts of a match that are expressions, in the order in which they are asked. */
export const EXPRESSIONS = ['method', 'path', 'host'] as const
type Part = (typeof EXPRESSIONS)[number]
type Compiled = Partial<Record<Part, Expression>>

/** Expressions of a match, compiled once; keyed by the match, so they leave with their policy. */
const compiled = new WeakMap<HttpMatch, Compiled>()

function compile(match: HttpMatch): Compiled {
  const known = compiled.get(match)
  if (known !== undefined) return known
  const made: Compiled = {}
  for (const part of EXPRESSIONS) {
    const pattern = match[part]
    if (pattern !== undefined) made[part] = compileExpression(pattern)
  }
  compiled.set(match, made)
  return made
}

export function headerMatches({ name, value }: HeaderMatch, request: Request): boolean {
  const sent = joinedValues(request, name.toLowerCase())
  return sent !== undefined && (value === undefined || sent === byteText(utf8(value)))
}

/** The bytes that an expression is asked of: the path is the whole target. undefined = no Host. */
export function expressionSees(part: Part, request: Request): Uint8Array | undefined {
  switch (part) {
    case 'method':
      return request.method
    case 'path':
      return request.target
    case 'host':
      return fieldValues(request, 'host')[0]
  }
}

/** A host pattern needs a Host field. */
export function expressionMatches(match: HttpMatch, part: Part, request: Request): boolean {
  const expression = compile(match)[part]
  if (expression === undefined) return true
  const value = expressionSees(part, request)
  return value !== undefined && expression(value)
}

/** True when every part of the match holds. */
export function httpMatches(match: HttpMatch, request: Request): boolean {
  return (
    EXPRESSIONS.every((part) => expressionMatches(match, part, request)) &&
    match.headers.every((header) => headerMatches(header, request)) &&
    (match.condition === undefined || conditionHolds(match.condition, request))
  )
}
