/**
 * TableBuilder over a child process of Node's: seconds of counting states for thousands of rules stop
 * nobody else, and whatever becomes of the child, this process goes on. A thread would not do: where
 * a Map grows beyond a worker thread's heap limit, V8 ends the whole process (seen on Node 20.20).
 */
import { fileURLToPath } from 'node:url'
import { deserialize, serialize } from 'node:v8'
import { execa } from 'execa'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { HttpMatch, PolicySet, Rule } from '../../pipelines/policy/model.ts'
import { MAX_WORDS_LOG2 } from '../../pipelines/tables/layout.ts'
import type { TableBuilder } from '../ports.ts'
import type { Told } from './table-builder-program.ts'

const PROGRAM = fileURLToPath(new URL('./table-builder-program.js', import.meta.url))

export type TableBuilderLimits = {
  /** Milliseconds. */
  timeMs: number
  /** Megabytes of V8's old generation. What lies outside of it, typed arrays, the builder counts itself. */
  heapMb: number
}

/**
 * 10,000 rules take 1.7 s and 170 MB, 100,000 are refused by their words after 27 s and 440 MB, so
 * these bounds meet only what multiplies. Time leaves clang its own within the stage's 120 s.
 */
const LIMITS: TableBuilderLimits = { timeMs: 45_000, heapMb: 1_024 }
/** Bytes: the largest tables, and room for the blocks beside them. */
const MAX_OUTPUT = 4 * 2 ** MAX_WORDS_LOG2 + 16 * 1024 * 1024
/** Lines of a crash that a failure carries. */
const DETAIL_LINES = 20

export function nodeTableBuilder(limits = LIMITS): TableBuilder {
  return {
    async build(set) {
      const child = await run(set, limits)
      if (!child.failed) return toldBy(child.stdout)
      throw child.timedOut || isOutOfMemory(child) ? overLimit(set, limits, child.timedOut) : died(child)
    },
  }
}

/** Its work is counted (determinize.ts, diagram.ts), so that an orphan ends by itself too. */
function run(set: PolicySet, { timeMs, heapMb }: TableBuilderLimits) {
  return execa(process.execPath, [`--max-old-space-size=${heapMb}`, PROGRAM], {
    env: {},
    extendEnv: false,
    input: serialize(set),
    encoding: 'buffer',
    reject: false,
    timeout: timeMs,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_OUTPUT,
  })
}

type Child = Awaited<ReturnType<typeof run>>

function toldBy(stdout: Uint8Array) {
  const told = deserialize(stdout) as Told
  if ('tables' in told) return told.tables
  const [failure] = told.failures
  throw new Failure(failure?.code ?? 'compiler-failed', failure?.message ?? 'no tables', {
    detail: failure?.detail ?? [],
  })
}

/** V8 aborts the process when its heap is full, and says so. */
function isOutOfMemory({ signal, stderr }: Child): boolean {
  return signal === 'SIGABRT' && textOf(stderr).includes('heap out of memory')
}

/** Nobody knows at which rule it was; the one that says most is where a person begins to look. */
function overLimit(set: PolicySet, { timeMs, heapMb }: TableBuilderLimits, timedOut: boolean): Failure {
  const { rule, matches } = heaviest(set)
  const place = rule === undefined ? '' : `${at(rule)}: `
  const bound = timedOut ? `${timeMs} ms` : `${heapMb} MB`
  return new Failure(
    'limit-exceeded',
    `${place}building the tables took more than ${bound}; this rule has the most matches (${matches.length}): ` +
      'use fewer patterns with .* or counted repeats inside, and fewer different headers',
    { detail: matches.slice(0, DETAIL_LINES).map((match) => `${at(match)}: path ${match.path ?? '(any)'}`) },
  )
}

function heaviest({ policies }: PolicySet): { rule?: Rule; matches: readonly HttpMatch[] } {
  let found: { rule?: Rule; matches: readonly HttpMatch[] } = { matches: [] }
  for (const rule of policies.flatMap(({ allow, deny }) => [...allow, ...deny])) {
    const matches = rule.http ?? []
    if (found.rule === undefined || matches.length > found.matches.length) found = { rule, matches }
  }
  return found
}

const at = ({ source: { file, line, column } }: Rule | HttpMatch) => `${file}:${line}:${column}`

/** A signal came from outside, as from the kernel that was short of memory: the next try may pass. */
function died({ signal, exitCode, shortMessage, stderr, isMaxBuffer }: Child): Failure {
  const detail = textOf(stderr)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(0, DETAIL_LINES)
  if (signal !== undefined && !isMaxBuffer) {
    return new Failure('compiler-interrupted', `the table builder was ended by ${signal}`, { detail })
  }
  const why = exitCode === undefined ? shortMessage : `exit code ${exitCode}`
  return new Failure('compiler-failed', `the table builder failed: ${why}`, { detail })
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}
