/** Does a parsed request satisfy an HTTP match? */
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

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index])
}

/** UTF-8 of a string; pipelines have no TextEncoder (no ambient types). */
export function utf8(text: string): Uint8Array {
  const bytes: number[] = []
  for (const character of text) {
    const point = character.codePointAt(0) as number
    if (point < 0x80) bytes.push(point)
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 0x3f))
    else if (point < 0x10000)
      bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f))
    else
      bytes.push(
        0xf0 | (point >> 18),
        0x80 | ((point >> 12) & 0x3f),
        0x80 | ((point >> 6) & 0x3f),
        0x80 | (point & 0x3f),
      )
  }
  return Uint8Array.from(bytes)
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
