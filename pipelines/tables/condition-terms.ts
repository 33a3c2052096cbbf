/** A condition as alternatives of what has to hold together: its disjunctive normal form. */
import { Failure } from '../contract/failures.ts'
import type { Condition } from '../policy/condition.ts'
import type { Source } from '../policy/source.ts'
import { at } from './blocks.ts'
import { type LeafPattern, leafPattern } from './condition-patterns.ts'

/** Alternatives of one condition: `all` of many `any` multiplies. Each is a question of its own in the diagram. */
const MAX_TERMS = 256

/** One demand of a term. */
export type Literal = LeafPattern & { readonly negated: boolean }
export type Term = readonly Literal[]

/** Throws Failure('limit-exceeded'), located. */
export function termsOf(condition: Condition | undefined, source: Source): Term[] {
  return condition === undefined ? [[]] : terms(condition, false, source)
}

function terms(condition: Condition, negated: boolean, source: Source): Term[] {
  switch (condition.kind) {
    case 'not':
      return terms(condition.of, !negated, source)
    case 'all':
    case 'any': {
      const parts = condition.of.map((part) => terms(part, negated, source))
      return (condition.kind === 'all') === negated ? bounded(parts.flat(), source) : product(parts, source)
    }
    default:
      return [[{ ...leafPattern(condition, source), negated }]]
  }
}

function product(parts: readonly Term[][], source: Source): Term[] {
  let result: Term[] = [[]]
  for (const options of parts) {
    bounded({ length: result.length * options.length }, source)
    result = result.flatMap((term) =>
      options.flatMap((option): Term[] => {
        const both = joined(term, option)
        return both === undefined ? [] : [both]
      }),
    )
  }
  return result
}

/** Undefined where both can't hold. */
function joined(term: Term, more: Term): Term | undefined {
  const all = [...term]
  for (const literal of more) {
    const same = all.find(
      ({ on, text }) => text === literal.text && JSON.stringify(on) === JSON.stringify(literal.on),
    )
    if (same === undefined) all.push(literal)
    else if (same.negated !== literal.negated) return undefined
  }
  return all
}

function bounded<T extends { readonly length: number }>(found: T, source: Source): T {
  if (found.length <= MAX_TERMS) return found
  throw new Failure(
    'limit-exceeded',
    `${at(source)}: the conditions combine to more than ${MAX_TERMS} alternatives: write several rules`,
  )
}
