/**
 * PolicyReader: a few files at once, many in a child process, because a megabyte of YAML is 2 s of work.
 * So are cases, however few files they stand in: a case may send 16 kB through every expression there is.
 */
import { fileURLToPath } from 'node:url'
import { Failure } from '../../pipelines/contract/failures.ts'
import { type Judged, judged } from '../../pipelines/languages/judged.ts'
import type { PolicyReader } from '../ports.ts'
import { readRepository, type TextFile } from '../validate/load-policies.ts'
import { type ChildLimits, inChild } from './node-child.ts'

const PROGRAM = fileURLToPath(new URL('./policy-reader-program.js', import.meta.url))
/** Characters, 500 rules: 60 ms of work here, half of what the start of a child takes. */
const SMALL = 32 * 1024
/** 150,000 rules, 9 MB, are read in 7 s and 220 MB, and fit no tables. Within the stage's 60 s. */
const LIMITS: ChildLimits = { timeMs: 45_000, heapMb: 1_024 }
/** Bytes: the model of all that a commit may have, or its findings. */
const MAX_OUTPUT = 256 * 1024 * 1024

export function nodePolicyReader(limits = LIMITS): PolicyReader {
  return {
    async read(files) {
      const characters = files.reduce((sum, { text }) => sum + text.length, 0)
      const small = characters <= SMALL ? readRepository(files) : undefined
      if (small !== undefined && !('set' in small && small.cases.length > 0)) return judged(small)
      const over = (bound: string) => overLimit(files, bound)
      const input = files.map(({ path, text }) => ({ path, text }))
      const job = { name: 'policy reader', program: PROGRAM, input, limits, maxOutput: MAX_OUTPUT, over }
      return (await inChild(job)) as Judged
    },
  }
}

/** The largest file is where a person begins to look. */
function overLimit(files: readonly TextFile[], bound: string): Failure {
  const largest = [...files].sort((a, b) => b.text.length - a.text.length)[0]
  const place = largest === undefined ? '' : `${largest.path}:1:1: `
  return new Failure(
    'limit-exceeded',
    `${place}reading the ${files.length} policy files took more than ${bound}; this file is the largest: ` +
      'split the repository, or remove rules that others contain, or cases',
  )
}
