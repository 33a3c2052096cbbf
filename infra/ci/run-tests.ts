/**
 * The test runner behind `npm test`.
 *
 *     run-tests.js [--suite NAME]… [--only PATTERN] [--deep] [--checks] [--node24]
 *
 * --deep runs the full counts (HEDDLE_DEEP=1). --checks first runs the checks
 * (types, lint, dead code, generated files, C warnings) and counts each as a
 * test. --node24 runs the suites of ON_SECOND_NODE once more on that Node. What
 * the run leaves on the machine is a failure too. The last line is
 * `N passed, N failed[, N skipped]`; exit 1 on failure.
 */
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { searchSbin } from '../local/sbin.ts'
import { runChecks } from './checks.ts'
import { leftBehind, lookAround, RUN_MARK } from './leftovers.ts'
import { runSuite } from './run-suite.ts'
import { runOnSecondNode } from './second-node.ts'
import { compiledFiles, isAlone, ON_SECOND_NODE, processesFor, type Suite, SUITES } from './suites.ts'
import { addTotals, closingLine, noTotals, skipLines } from './totals.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const say = (line: string) => process.stdout.write(`${line}\n`)
const secondsSince = (start: number) => ((performance.now() - start) / 1000).toFixed(1)

const { values } = parseArgs({
  options: {
    suite: { type: 'string', multiple: true },
    only: { type: 'string' },
    deep: { type: 'boolean', default: false },
    checks: { type: 'boolean', default: false },
    node24: { type: 'boolean', default: false },
  },
})
const unknown = values.suite?.filter((name) => SUITES.every((suite) => suite.name !== name)) ?? []
if (unknown.length > 0) {
  say(`no suite named ${unknown.join(', ')}; there are ${SUITES.map((suite) => suite.name).join(', ')}`)
  process.exit(2)
}

process.chdir(root)
searchSbin()
if (values.deep) process.env['HEDDLE_DEEP'] = '1'
const mark = randomUUID()
process.env[RUN_MARK] = mark
const only = values.only === undefined ? undefined : new RegExp(values.only)
const start = performance.now()
say(`Node ${process.versions.node}`)
const sum = noTotals()
const before = lookAround(mark)

if (values.checks) addTotals(sum, await runChecks(root, say))
const beside: Promise<void>[] = []
for (const suite of SUITES) {
  if (values.suite !== undefined && !values.suite.includes(suite.name)) continue
  const files = compiledFiles(root, suite, only)
  if (files.length === 0) continue
  if (isAlone(suite)) await Promise.all(beside)
  const run = runOne(suite, files)
  if (suite.beside) beside.push(run)
  else await run
}
await Promise.all(beside)

async function runOne(suite: Suite, files: string[]): Promise<void> {
  const suiteStart = performance.now()
  say(`${suite.name}: ${files.length} files`)
  const totals = await runSuite(root, processesFor(root, suite, files), {
    concurrency: suite.concurrency,
    deep: values.deep,
    say,
  })
  addTotals(sum, totals)
  say(`${suite.name}: ${closingLine(totals)} in ${secondsSince(suiteStart)} s`)
}

const left = leftBehind(before, lookAround(mark))
if (left.length > 0) {
  sum.failed++
  say(`  FAILED leftovers\n    ${left.join('\n    ')}`)
}

if (values.node24) {
  const suites = ON_SECOND_NODE.flatMap((name) => ['--suite', name])
  addTotals(sum, await runOnSecondNode(root, suites, say))
}

for (const line of skipLines(sum)) say(line)
say(`total ${secondsSince(start)} s`)
say(closingLine(sum))
// Not process.exit: a pipe may still hold the last lines.
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0
