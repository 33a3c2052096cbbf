/** TableBuilder in a child process: thousands of rules are seconds of counting states. */
import { everyRule } from '../../pipelines/policy/every-rule.ts'
import { fileURLToPath } from 'node:url'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { HttpMatch, PolicySet, Rule } from '../../pipelines/policy/model.ts'
import type { Tables } from '../../pipelines/tables/build-tables.ts'
import { MAX_WORDS_LOG2 } from '../../pipelines/tables/layout.ts'
import type { TableBuilder } from '../ports.ts'
import { type ChildLimits, inChild } from './node-child.ts'

const PROGRAM = fileURLToPath(new URL('./table-builder-program.js', import.meta.url))
/**
 * 10,000 rules take 1.7 s and 170 MB, 100,000 are refused by their words after 27 s and 440 MB, so
 * these bounds meet only what multiplies. Time leaves clang its own within the stage's 120 s. Typed
 * arrays, which the heap does not hold, are counted by the builder itself, as its work is
 * (determinize.ts, diagram.ts): an orphan ends too.
 */
const LIMITS: ChildLimits = { timeMs: 45_000, heapMb: 1_024 }
/** Bytes: the largest tables, and room for the blocks beside them. */
const MAX_OUTPUT = 4 * 2 ** MAX_WORDS_LOG2 + 16 * 1024 * 1024
/** Matches that a failure names. */
const SHOWN = 20

export function nodeTableBuilder(limits = LIMITS): TableBuilder {
  return {
    async build(set) {
      const over = (bound: string) => overLimit(set, bound)
      const job = { name: 'table builder', program: PROGRAM, input: set, limits, maxOutput: MAX_OUTPUT, over }
      return (await inChild(job)) as Tables
    },
  }
}

/** Nobody knows at which rule it was; the one that says most is where a person begins to look. */
function overLimit(set: PolicySet, bound: string): Failure {
  const { rule, matches } = heaviest(set)
  const place = rule === undefined ? '' : `${at(rule)}: `
  return new Failure(
    'limit-exceeded',
    `${place}building the tables took more than ${bound}; this rule has the most matches (${matches.length}): ` +
      'use fewer patterns with .* or counted repeats inside, and fewer different headers',
    { detail: matches.slice(0, SHOWN).map((match) => `${at(match)}: path ${match.path ?? '(any)'}`) },
  )
}

function heaviest({ policies }: PolicySet): { rule?: Rule; matches: readonly HttpMatch[] } {
  let found: { rule?: Rule; matches: readonly HttpMatch[] } = { matches: [] }
  for (const rule of policies.flatMap(everyRule)) {
    const matches = rule.http ?? []
    if (found.rule === undefined || matches.length > found.matches.length) found = { rule, matches }
  }
  return found
}

const at = ({ source: { file, line, column } }: Rule | HttpMatch) => `${file}:${line}:${column}`
