/** Does a request satisfy a condition? The reference: tables and kernel are tested against it. */
import { utf8 } from '../bytes.ts'
import { byteText } from '../protocols/http1-grammar.ts'
import { joinedValues, type Request } from '../protocols/http1-request.ts'
import type { Condition, Leaf, PathText, Text } from './condition.ts'
import { expressionHolds } from './expression.ts'
import { parameterOf, withoutSlash } from './route-match.ts'

function textHolds(text: Text | PathText, value: string): boolean {
  const wanted = byteText(utf8(text.value))
  switch (text.kind) {
    case 'exact':
      return value === wanted
    case 'prefix':
      return value.startsWith(wanted)
    case 'suffix':
      return value.endsWith(wanted)
    case 'segments':
      return value === withoutSlash(wanted) || value.startsWith(`${withoutSlash(wanted)}/`)
    case 'regex':
      return expressionHolds(text, value)
  }
}

function namedHolds(text: Text | PathText | null, value: string | undefined): boolean {
  return value !== undefined && (text === null || textHolds(text, value))
}

function withoutQuery(target: string): string {
  const mark = target.indexOf('?')
  return mark < 0 ? target : target.slice(0, mark)
}

function queryOf(target: string): string | undefined {
  const mark = target.indexOf('?')
  return mark < 0 ? undefined : target.slice(mark + 1)
}

const BLANKS = /^[ \t]+/

/** Pairs stand between semicolons, blanks in front of each (RFC 6265 4.2.1); the first of a name counts. */
function cookie(request: Request, name: string): string | undefined {
  for (const pair of joinedValues(request, 'cookie')?.split(';') ?? []) {
    const [key = '', ...rest] = pair.replace(BLANKS, '').split('=')
    if (rest.length > 0 && key === name) return rest.join('=')
  }
  return undefined
}

/** In lower case, a port only where one is wanted. */
function hostHolds(wanted: string, request: Request): boolean {
  const sent = joinedValues(request, 'host')?.toLowerCase()
  if (sent === undefined) return false
  const host = /:\d*$/.test(wanted) ? sent : sent.replace(/:\d*$/, '')
  return wanted.startsWith('*.')
    ? host.endsWith(wanted.slice(1)) && host.length >= wanted.length
    : host === wanted
}

/** `type/subtype` in front of the parameters (RFC 9110 8.3.1). */
function mediaTypeHolds(wanted: string, request: Request): boolean {
  const [essence = ''] = (joinedValues(request, 'content-type') ?? '').split(';')
  const sent = essence.replace(/[ \t]+$/, '').toLowerCase()
  return wanted.endsWith('/*') ? sent.startsWith(wanted.slice(0, -1)) : sent === wanted
}

/** The first parameter of that name, in quotes or not. */
function charsetHolds(wanted: string, request: Request): boolean {
  const [, ...parameters] = (joinedValues(request, 'content-type') ?? '').split(';')
  for (const each of parameters) {
    const [key = '', ...rest] = each.replace(BLANKS, '').split('=')
    if (rest.length === 0 || key.toLowerCase() !== 'charset') continue
    const value = rest
      .join('=')
      .replace(/[ \t]+$/, '')
      .toLowerCase()
    return value === wanted || value === `"${wanted}"`
  }
  return false
}

/** Any of the codings in the list (RFC 9110 8.4). */
function codingHolds(wanted: string, request: Request): boolean {
  const list = joinedValues(request, 'content-encoding')?.toLowerCase().split(',') ?? []
  return list.some((each) => each.replace(/^[ \t]+|[ \t]+$/g, '') === wanted)
}

/** What a leaf looks at, one character a byte: the whole field of what is a part of one; undefined = absent. */
export function lookedAt(leaf: Leaf, request: Request): string | undefined {
  const target = byteText(request.target)
  switch (leaf.kind) {
    case 'method':
      return byteText(request.method)
    case 'path':
      return withoutQuery(target)
    case 'host':
      return joinedValues(request, 'host')
    case 'header':
      return joinedValues(request, leaf.name)
    case 'query':
      return parameterOf(queryOf(target), leaf.name)
    case 'cookie':
      return cookie(request, leaf.name)
    case 'media-type':
    case 'charset':
      return joinedValues(request, 'content-type')
    case 'content-coding':
      return joinedValues(request, 'content-encoding')
  }
}

export function leafHolds(leaf: Leaf, request: Request): boolean {
  switch (leaf.kind) {
    case 'method':
    case 'path':
    case 'header':
    case 'query':
    case 'cookie':
      return namedHolds(leaf.text, lookedAt(leaf, request))
    case 'host':
      return hostHolds(leaf.value, request)
    case 'media-type':
      return mediaTypeHolds(leaf.value, request)
    case 'charset':
      return charsetHolds(leaf.value, request)
    case 'content-coding':
      return codingHolds(leaf.value, request)
  }
}

/** Throws Failure('expression-invalid') on a pattern that no front-end would have let in. */
export function conditionHolds(condition: Condition, request: Request): boolean {
  switch (condition.kind) {
    case 'all':
      return condition.of.every((part) => conditionHolds(part, request))
    case 'any':
      return condition.of.some((part) => conditionHolds(part, request))
    case 'not':
      return !conditionHolds(condition.of, request)
    default:
      return leafHolds(condition, request)
  }
}
