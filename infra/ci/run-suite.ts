/** Run the files of one suite with node:test, each in its own process, and tell what happened. */
import { relative } from 'node:path'
import { run } from 'node:test'
import { inspect } from 'node:util'
import { Progress, TELL_EVERY_MS } from './progress.ts'
import { countSkip, noTotals, type Totals } from './totals.ts'

/** A file that hangs must not take the whole run with it. */
const FILE_TIMEOUT_MS = { sampled: 10 * 60_000, deep: 60 * 60_000 }

type Outcome = {
  name: string
  file?: string | undefined
  skip?: string | boolean | undefined
  todo?: string | boolean | undefined
  details: { type?: string | undefined; duration_ms?: number; error?: unknown }
}

/** The parent of a failed test fails too: that is one failure, not two. */
function isEcho(error: unknown): boolean {
  return (error as { failureType?: string } | undefined)?.failureType === 'subtestsFailed'
}

function countPass(totals: Totals, outcome: Outcome): void {
  if (outcome.details.type === 'suite' || outcome.name === outcome.file) return
  const reason = outcome.skip ?? outcome.todo
  if (reason === undefined || reason === false) totals.passed++
  else countSkip(totals, reason === true || reason === '' ? 'no reason given' : reason)
}

function countFailure(totals: Totals, outcome: Outcome, say: (line: string) => void): void {
  if (isEcho(outcome.details.error)) return
  totals.failed++
  const error = outcome.details.error as { cause?: unknown } | undefined
  say(`  FAILED ${outcome.name}`)
  say(
    `    ${inspect(error?.cause ?? error, { depth: 4 })
      .split('\n')
      .slice(0, 40)
      .join('\n    ')}`,
  )
}

export async function runSuite(
  root: string,
  files: string[],
  options: { concurrency: number; deep: boolean; say: (line: string) => void },
): Promise<Totals> {
  const totals = noTotals()
  const { say, concurrency, deep } = options
  const timeout = deep ? FILE_TIMEOUT_MS.deep : FILE_TIMEOUT_MS.sampled
  const progress = new Progress(root, () => performance.now())
  const telling = setInterval(() => progress.lines().forEach(say), TELL_EVERY_MS)
  for await (const event of run({ files, concurrency, timeout })) {
    progress.see(event.type, event.data as Outcome)
    if (event.type === 'test:pass') countPass(totals, event.data as Outcome)
    if (event.type === 'test:fail') countFailure(totals, event.data as Outcome, say)
    if (event.type === 'test:diagnostic' && event.data.file !== undefined) say(`  # ${event.data.message}`)
    if (event.type === 'test:stdout' || event.type === 'test:stderr') say(`  ${event.data.message.trimEnd()}`)
    if ((event.type as string) === 'test:complete') sayFileEnd(root, event.data as Outcome, say)
  }
  clearInterval(telling)
  return totals
}

function sayFileEnd(root: string, outcome: Outcome, say: (line: string) => void): void {
  if (outcome.name !== outcome.file) return
  const seconds = ((outcome.details.duration_ms ?? 0) / 1000).toFixed(1)
  say(`  ${seconds.padStart(6)} s  ${relative(root, outcome.name).replace('dist/', '')}`)
}
