/**
 * Does a request satisfy a route's match? Everything is compared as the bytes that were sent:
 * nothing is decoded or normalised, so that every implementation reads the same.
 */
import { byteText } from '../protocols/http1-grammar.ts'
import { joinedValues, type Request } from '../protocols/http1-request.ts'
import { expressionHolds } from './expression.ts'
import { utf8 } from '../bytes.ts'
import type { NamedMatch, PathMatch, RouteMatch } from './route.ts'

/** Path and query of a target, one character a byte. `OPTIONS *` has no path. */
export type Target = { path: string | undefined; query: string | undefined }

export function targetOf(request: Request): Target {
  const text = byteText(request.target)
  if (!text.startsWith('/')) return { path: undefined, query: undefined }
  const mark = text.indexOf('?')
  if (mark < 0) return { path: text, query: undefined }
  return { path: text.slice(0, mark), query: text.slice(mark + 1) }
}

/** A prefix without its last slash, which says nothing (HTTPPathModifier: "a trailing `/` is ignored"). */
export function withoutSlash(prefix: string): string {
  return prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
}

export function pathMatches(match: PathMatch, path: string | undefined): boolean {
  const base = withoutSlash(match.value)
  if (match.kind === 'prefix' && base === '') return true
  if (path === undefined) return false
  switch (match.kind) {
    case 'exact':
      return path === match.value
    case 'prefix':
      return path === base || path.startsWith(`${base}/`)
    case 'regex':
      return expressionHolds(match, path)
  }
}

function valueMatches(match: NamedMatch, value: string): boolean {
  return match.kind === 'regex' ? expressionHolds(match, value) : value === byteText(utf8(match.value))
}

/**
 * A repeated header is one list: its values in order, a comma between them (RFC 7230 3.2.2, which
 * HTTPHeaderMatch points to).
 */
export function headerMatches(match: NamedMatch, request: Request): boolean {
  const sent = joinedValues(request, match.name)
  return sent !== undefined && valueMatches(match, sent)
}

/**
 * Of a repeated parameter the first counts, as HTTPQueryParamMatch recommends. Parameters stand
 * between ampersands; behind a name's first equals sign is its value, without one it is empty.
 */
export function parameterOf(query: string | undefined, wanted: string): string | undefined {
  const name = byteText(utf8(wanted))
  for (const parameter of query?.split('&') ?? []) {
    const sign = parameter.indexOf('=')
    const end = sign < 0 ? parameter.length : sign
    if (parameter.slice(0, end) === name) return parameter.slice(end + 1)
  }
  return undefined
}

export function parameterMatches(match: NamedMatch, query: string | undefined): boolean {
  const value = parameterOf(query, match.name)
  return value !== undefined && valueMatches(match, value)
}

export function methodMatches({ method }: RouteMatch, request: Request): boolean {
  return method === undefined || byteText(request.method) === method
}

/** Throws Failure('expression-invalid') on a pattern that no front-end would have let in. */
export function routeMatches(match: RouteMatch, request: Request): boolean {
  const { path, query } = targetOf(request)
  return (
    pathMatches(match.path, path) &&
    methodMatches(match, request) &&
    match.headers.every((header) => headerMatches(header, request)) &&
    match.query.every((parameter) => parameterMatches(parameter, query))
  )
}
