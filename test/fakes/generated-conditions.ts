/** Generated conditions, and requests that come close to them. */
import type { Condition, Leaf, PathText, Text } from '../../pipelines/policy/condition.ts'
import type { Random } from './random.ts'

const SEGMENTS = ['a', 'b', 'ab', 'admin', 'v1', '_']
const PATHS = ['/', '/a', '/a/b', '/ab', '/a/', '/admin', '/admin/x', '/v1/a.js']
const PATH_REGEXES = [
  '/a.*',
  '/[ab]+/?',
  '/(admin|v1)(/.*)?',
  '.*\\.js',
  '^/a$',
  '/a\\b.*',
  '.*',
  '/.{2,4}$|/b',
]
const VALUES = ['', '1', 'a', 'b', 'a,b', 'a, b', 'ab', 'x=y', 'é']
const VALUE_REGEXES = ['[ab]+', 'a.*', '.*b', '^a$|^$', '\\bab\\b', 'a|b,a', '(a,)*b', '.{0,2}', '(?i)AB']
const HEADERS = ['x-a', 'x-b', 'accept', 'content-type', 'cookie']
const NAMES = ['q', 'p', 'qq', 'pq']
const HOSTS = ['a.example', '*.example', 'a.example:80', '*.b.example', 'b.example']
const MEDIA_TYPES = ['text/plain', 'application/json', 'text/*', 'application/*']
const CHARSETS = ['utf-8', 'latin1']
const CODINGS = ['gzip', 'br', 'identity']
const METHODS = ['GET', 'POST', 'PUT', 'DELETE']
/** How deep `all`, `any` and `not` stand in each other. */
const DEPTH = 3

function textOf(r: Random, values: readonly string[], regexes: readonly string[]): Text {
  const kind = r.pick(['exact', 'exact', 'prefix', 'suffix', 'regex'] as const)
  return { kind, value: r.pick(kind === 'regex' ? regexes : values) }
}

function pathOf(r: Random): PathText {
  return r.chance(0.3) ? { kind: 'segments', value: r.pick(PATHS) } : textOf(r, PATHS, PATH_REGEXES)
}

const headerText = (r: Random) => (r.chance(0.2) ? null : textOf(r, VALUES, VALUE_REGEXES))

function leaf(r: Random): Leaf {
  switch (r.below(12)) {
    case 0:
      return {
        kind: 'method',
        text: r.chance(0.8) ? { kind: 'exact', value: r.pick(METHODS) } : { kind: 'regex', value: 'P.*' },
      }
    case 1:
      return { kind: 'host', value: r.pick(HOSTS) }
    case 2:
      return {
        kind: 'cookie',
        name: r.pick(NAMES),
        text: r.chance(0.2) ? null : textOf(r, ['', '1', 'a', 'ab'], VALUE_REGEXES),
      }
    case 3:
      return { kind: 'media-type', value: r.pick(MEDIA_TYPES) }
    case 4:
      return { kind: 'charset', value: r.pick(CHARSETS) }
    case 5:
      return { kind: 'content-coding', value: r.pick(CODINGS) }
    case 6:
    case 7:
      return {
        kind: 'query',
        name: r.pick(NAMES),
        text: r.chance(0.2) ? null : textOf(r, ['', '1', 'a', 'ab'], VALUE_REGEXES),
      }
    case 8:
    case 9:
      return { kind: 'header', name: r.pick(HEADERS), text: headerText(r) }
    default:
      return { kind: 'path', text: pathOf(r) }
  }
}

export function generatedCondition(r: Random, depth = r.below(DEPTH + 1)): Condition {
  if (depth === 0) return leaf(r)
  const below = () => generatedCondition(r, r.below(depth))
  if (r.chance(0.3)) return { kind: 'not', of: below() }
  return { kind: r.pick(['all', 'any']), of: Array.from({ length: r.below(4) }, below) }
}

/** A request line's target, and field lines besides Host, that such conditions may hold for. */
export type NearRequest = { method: string; target: string; host: string; fields: [string, string][] }

function pairs(r: Random, between: string): string {
  return Array.from({ length: r.below(4) }, () => {
    const name = r.pick([...NAMES, '', 'q '])
    return r.chance(0.15) ? name : `${name}=${r.pick(['', '1', 'a', 'ab', 'b', 'x=y'])}`
  }).join(between)
}

function contentType(r: Random): string {
  const type = r.pick(['text/plain', 'Text/HTML', 'application/json', 'application/JSON ', 'text', ''])
  const parameters = [
    '; charset=UTF-8',
    ';charset="utf-8"',
    '; q=1;charset=latin1',
    ';charset',
    ';',
    '; Charset=utf-8 ;x',
    '',
  ]
  return `${type}${r.pick(parameters)}${r.chance(0.2) ? r.pick(parameters) : ''}`
}

function field(r: Random): [string, string] {
  switch (r.below(6)) {
    case 0:
      return ['Cookie', pairs(r, r.pick(['; ', ';', ' ; ']))]
    case 1:
      return ['Content-Type', contentType(r)]
    case 2:
      return ['Content-Encoding', r.pick(['gzip', 'GZIP', 'br, gzip', 'gzip ,br', 'deflate', ''])]
    case 3:
      return [r.pick(['Accept', 'accept']), r.pick(VALUES)]
    default:
      return [r.pick(['X-A', 'x-a', 'X-B', 'x-b']), r.pick(VALUES)]
  }
}

export function nearRequest(r: Random): NearRequest {
  const path = r.chance(0.6)
    ? r.pick(PATHS)
    : `/${Array.from({ length: r.below(3) }, () => r.pick(SEGMENTS)).join('/')}`
  const query = r.chance(0.5) ? `?${pairs(r, '&').replaceAll(' ', '')}` : ''
  const fields = Array.from({ length: r.below(5) }, () => field(r))
  return {
    method: r.pick(METHODS),
    target: `${path}${query}`,
    host: r.pick(['a.example', 'A.Example:80', 'x.b.example', 'b.example:8080', 'example', 'a.example:']),
    // Blanks around a value are no part of it.
    fields: fields.map(([name, value]) => [name, value.trim()]),
  }
}
