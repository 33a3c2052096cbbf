/**
 * What was found where a condition was asked: leaf by leaf, with the value that was looked at. Each
 * leaf is judged by the reference itself (condition-match.ts), all of them, also where it would have
 * stopped at the first.
 */
import type { Request } from '../protocols/http1-request.ts'
import { leafHolds, lookedAt } from './condition-match.ts'
import type { Condition, Leaf } from './condition.ts'

/** `seen`: the value as sent, one character a byte, a repeated field as one list; null = absent. */
export type Asked = { kind: 'asked'; asked: string; seen: string | null; holds: boolean }

export type ConditionTrace =
  | Asked
  | { kind: 'all' | 'any'; of: ConditionTrace[]; holds: boolean }
  | { kind: 'not'; of: ConditionTrace; holds: boolean }

export function askedOf(asked: string, seen: string | undefined, holds: boolean): Asked {
  return { kind: 'asked', asked, seen: seen ?? null, holds }
}

/** `header x-role exact admin` */
export function leafText(leaf: Leaf): string {
  switch (leaf.kind) {
    case 'method':
    case 'path':
      return `${leaf.kind} ${leaf.text.kind} ${leaf.text.value}`
    case 'header':
    case 'query':
    case 'cookie':
      return `${leaf.kind} ${leaf.name} ${leaf.text ? `${leaf.text.kind} ${leaf.text.value}` : 'present'}`
    case 'host':
    case 'media-type':
    case 'charset':
    case 'content-coding':
      return `${leaf.kind} ${leaf.value}`
  }
}

/** Throws Failure('expression-invalid') on a pattern that no front-end would have let in. */
export function traceCondition(condition: Condition, request: Request): ConditionTrace {
  switch (condition.kind) {
    case 'all': {
      const of = condition.of.map((part) => traceCondition(part, request))
      return { kind: 'all', of, holds: of.every(({ holds }) => holds) }
    }
    case 'any': {
      const of = condition.of.map((part) => traceCondition(part, request))
      return { kind: 'any', of, holds: of.some(({ holds }) => holds) }
    }
    case 'not': {
      const of = traceCondition(condition.of, request)
      return { kind: 'not', of, holds: !of.holds }
    }
    default:
      return askedOf(leafText(condition), lookedAt(condition, request), leafHolds(condition, request))
  }
}
