/**
 * `match` of a route → matches of the route model, of which one has to hold. A condition of alternatives is
 * said out in full: each match has one path, one method, and each name once. What the model compares by
 * RE2 alone is said in RE2.
 */
import type { Condition, Leaf, Text } from '../../policy/condition.ts'
import type { NamedMatch, PathMatch, RouteMatch } from '../../policy/route.ts'
import type { Source } from '../../policy/source.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import { conditionOf } from './match.ts'
import type { Match } from './schema.ts'

/** Matches of one route: alternatives multiply, and each is asked for a place of its own in the order. */
const MAX_MATCHES = 256

/** What no match of a route can say, and what to write instead. */
const NOT_SAID = {
  not: 'write a route of its own for what is meant by it: the match that says more decides',
  cookies: 'write headers: [{name: cookie, regex: …}]',
  mediaType: 'write headers: [{name: content-type, regex: …}]',
  charset: 'write headers: [{name: content-type, regex: …}]',
  contentEncoding: 'write headers: [{name: content-encoding, regex: …}]',
} as const satisfies Partial<Record<keyof Match, string>>

function refuseUnsaid(reader: Reader, match: Match, path: Path): void {
  for (const [field, hint] of Object.entries(NOT_SAID)) {
    if (match[field as keyof typeof NOT_SAID] === undefined) continue
    reader.refuse([...path, field], 'unsupported-feature', `routes do not ask for \`${field}\``, hint)
  }
  for (const list of ['headers', 'query'] as const) {
    for (const [index, { absent }] of (match[list] ?? []).entries()) {
      if (absent === undefined) continue
      const at = [...path, list, index, 'absent']
      reader.refuse(at, 'unsupported-feature', 'routes do not ask for what is absent', NOT_SAID.not)
    }
  }
  for (const field of ['all', 'any'] as const) {
    for (const [index, part] of (match[field] ?? []).entries())
      refuseUnsaid(reader, part, [...path, field, index])
  }
}

/** As RE2 says exactly this text. */
const quoted = (text: string) => text.replace(/[^A-Za-z0-9_\u0080-\uffff]/g, '\\$&')

function textOf({ kind, value }: Text): { kind: 'exact' | 'regex'; value: string } {
  switch (kind) {
    case 'exact':
    case 'regex':
      return { kind, value }
    case 'prefix':
      return { kind: 'regex', value: `(?s)${quoted(value)}.*` }
    case 'suffix':
      return { kind: 'regex', value: `(?s).*${quoted(value)}` }
  }
}

/** Without case, a port only where one is written (policy/condition-match.ts). */
function hostOf(value: string): NamedMatch {
  const any = value.startsWith('*.')
  const port = /:\d*$/.test(value) ? '' : '(:[0-9]*)?'
  const text = `(?is)${any ? '.+' : ''}${quoted(any ? value.slice(1) : value)}${port}`
  return { name: 'host', kind: 'regex', value: text }
}

const PRESENT: Text = { kind: 'regex', value: '(?s).*' }

type Part = { path?: PathMatch; method?: string; headers: NamedMatch[]; query: NamedMatch[] }
const EVERYTHING: Part = { headers: [], query: [] }

/** undefined = refused before (refuseUnsaid). */
function partOf(leaf: Leaf): Part | undefined {
  switch (leaf.kind) {
    case 'method':
      return { ...EVERYTHING, method: leaf.text.value }
    case 'path': {
      const { kind, value } = leaf.text
      const path = kind === 'segments' ? { kind: 'prefix' as const, value } : textOf({ kind, value })
      return { ...EVERYTHING, path }
    }
    case 'host':
      return { ...EVERYTHING, headers: [hostOf(leaf.value)] }
    case 'header':
      return { ...EVERYTHING, headers: [{ name: leaf.name, ...textOf(leaf.text ?? PRESENT) }] }
    case 'query':
      return { ...EVERYTHING, query: [{ name: leaf.name, ...textOf(leaf.text ?? PRESENT) }] }
    default:
      return undefined
  }
}

class Alternatives {
  private readonly refuse: (
    code: 'unsupported-feature' | 'limit-exceeded',
    message: string,
    hint: string,
  ) => void
  private refused = false

  constructor(reader: Reader, path: Path) {
    this.refuse = (...finding) => {
      // One of them says it all: the others are of the same parts.
      if (!this.refused) reader.refuse(path, ...finding)
      this.refused = true
    }
  }

  of(condition: Condition): Part[] {
    switch (condition.kind) {
      case 'any': {
        const found = condition.of.flatMap((part) => this.of(part))
        return this.few(found.length) ? found : []
      }
      case 'all': {
        let found = [EVERYTHING]
        for (const part of condition.of) {
          const next = this.of(part)
          if (!this.few(found.length * next.length)) return []
          found = found.flatMap((left) => next.flatMap((right) => this.both(left, right) ?? []))
        }
        return found
      }
      case 'not':
        return []
      default: {
        const part = partOf(condition)
        return part === undefined ? [] : [part]
      }
    }
  }

  private few(count: number): boolean {
    if (count <= MAX_MATCHES) return true
    const hint = 'write several routes, or one regex for many texts'
    this.refuse('limit-exceeded', `more than ${MAX_MATCHES} alternatives in one route`, hint)
    return false
  }

  private both(left: Part, right: Part): Part | undefined {
    const headers = [...left.headers, ...right.headers]
    const query = [...left.query, ...right.query]
    const twice = (list: NamedMatch[]) =>
      list.find(({ name }, index) => list.findIndex((other) => other.name === name) !== index)?.name
    const again =
      left.path && right.path
        ? 'the path'
        : left.method !== undefined && right.method !== undefined
          ? 'the method'
          : (twice(headers) ?? twice(query))
    if (again === undefined) return { ...left, ...right, headers, query }
    const hint = 'say it in one regex, or in routes of their own'
    this.refuse('unsupported-feature', `a route asks for ${again} twice`, hint)
    return undefined
  }
}

const ROOT: PathMatch = { kind: 'prefix', value: '/' }

function matchOf({ path = ROOT, method, headers, query }: Part, source: Source): RouteMatch {
  return { source, path, ...(method === undefined ? {} : { method }), headers, query }
}

/** At least one, which is every request where nothing is written or all is refused. */
export function routeMatches(reader: Reader, match: Match | undefined, path: Path): RouteMatch[] {
  const source = reader.place(path)
  if (match === undefined) return [matchOf(EVERYTHING, source)]
  refuseUnsaid(reader, match, path)
  const found = new Alternatives(reader, path).of(conditionOf(reader, path, match))
  return (found.length > 0 ? found : [EVERYTHING]).map((part) => matchOf(part, source))
}
