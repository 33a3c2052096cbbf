/** `match` of a rule → a condition of the model. */
import type { Condition } from '../../policy/condition.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import { hostLeaf } from './patterns/host.ts'
import { namedConditions } from './patterns/named.ts'
import { pathLeaf } from './patterns/path.ts'
import { anyOf } from './patterns/text.ts'
import { charsetLeaf, codingLeaf, mediaTypeLeaf, methodLeaf } from './patterns/token.ts'
import type { Match } from './schema.ts'

/** all, any and not inside each other: people lose their way before, and readers of files stop at 32 levels. */
const MAX_NESTING = 8
/** Comparisons of one rule: each costs every request that the rule is asked about. */
const MAX_CONDITIONS = 256

const all = (of: Condition[]): Condition => (of.length === 1 ? (of[0] as Condition) : { kind: 'all', of })

function comparisons(condition: Condition): number {
  switch (condition.kind) {
    case 'all':
    case 'any':
      return condition.of.reduce((sum, part) => sum + comparisons(part), 0)
    case 'not':
      return comparisons(condition.of)
    default:
      return 1
  }
}

/** `depth` of all, any and not that stand around it. */
function nested(reader: Reader, path: Path, match: Match, depth: number): Condition[] {
  if (depth <= MAX_NESTING) return [read(reader, path, match, depth)]
  const message = `all, any and not stand ${depth} levels deep, more than ${MAX_NESTING}`
  reader.refuse(path, 'limit-exceeded', message, 'write several rules')
  return []
}

function read(reader: Reader, path: Path, match: Match, depth: number): Condition {
  const at = (field: keyof Match) => [...path, field]
  const each = (field: 'all' | 'any') =>
    (match[field] ?? []).flatMap((part, index) => nested(reader, [...path, field, index], part, depth + 1))
  const any = each('any')
  return all([
    ...anyOf(reader, at('method'), match.method, methodLeaf),
    ...(match.path === undefined ? [] : pathLeaf(reader, at('path'), match.path)),
    ...anyOf(reader, at('host'), match.host, hostLeaf),
    ...namedConditions(reader, at('headers'), match.headers, 'header'),
    ...namedConditions(reader, at('query'), match.query, 'query'),
    ...namedConditions(reader, at('cookies'), match.cookies, 'cookie'),
    ...anyOf(reader, at('mediaType'), match.mediaType, mediaTypeLeaf),
    ...anyOf(reader, at('charset'), match.charset, charsetLeaf),
    ...anyOf(reader, at('contentEncoding'), match.contentEncoding, codingLeaf),
    ...each('all'),
    ...(any.length > 1 ? [{ kind: 'any' as const, of: any }] : any),
    ...(match.not === undefined ? [] : nested(reader, at('not'), match.not, depth + 1)).map(
      (of): Condition => ({ kind: 'not', of }),
    ),
  ])
}

export function conditionOf(reader: Reader, path: Path, match: Match): Condition {
  const condition = read(reader, path, match, 0)
  const count = comparisons(condition)
  if (count > MAX_CONDITIONS) {
    const message = `${count} conditions in one rule, more than ${MAX_CONDITIONS}`
    reader.refuse(path, 'limit-exceeded', message, 'write several rules, or one regex for many texts')
  }
  return condition
}
