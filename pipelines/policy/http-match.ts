/** Does a parsed request satisfy an HTTP match? */
import { sameBytes, utf8 } from '../bytes.ts'
import { fieldValues, type Request } from '../protocols/http1-request.ts'
import { compileExpression, type Expression } from './expression.ts'
import type { HeaderMatch, HttpMatch } from './model.ts'

type Compiled = { method?: Expression; path?: Expression; host?: Expression }

/** Expressions of a match, compiled once; keyed by the match, so they leave with their policy. */
const compiled = new WeakMap<HttpMatch, Compiled>()

function compile(match: HttpMatch): Compiled {
  const known = compiled.get(match)
  if (known !== undefined) return known
  const made: Compiled = {}
  for (const part of ['method', 'path', 'host'] as const) {
    const pattern = match[part]
    if (pattern !== undefined) made[part] = compileExpression(pattern)
  }
  compiled.set(match, made)
  return made
}

/**
 * A value must be the header's only one: with two fields of that name, servers
 * differ in which they read, so neither is believed.
 */
function headerMatches(header: HeaderMatch, request: Request): boolean {
  const values = fieldValues(request, header.name.toLowerCase())
  if (header.value === undefined) return values.length > 0
  return values.length === 1 && sameBytes(values[0] as Uint8Array, utf8(header.value))
}

/** True when every part of the match holds; a host pattern needs a Host field. */
export function httpMatches(match: HttpMatch, request: Request): boolean {
  const { method, path, host } = compile(match)
  if (method !== undefined && !method(request.method)) return false
  if (path !== undefined && !path(request.target)) return false
  if (host !== undefined) {
    const value = fieldValues(request, 'host')[0]
    if (value === undefined || !host(value)) return false
  }
  return match.headers.every((header) => headerMatches(header, request))
}
