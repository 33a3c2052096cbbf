/**
 * The tests once more on a newer Node than the oldest that is supported: the
 * compiled files, koffi and the children that they start, all on that one. It
 * comes from npm (infra/ci/node-24, a package of its own, so that its command
 * `node` is on nobody's PATH), which has it for linux-x64.
 *
 *     second-node.js [options of run-tests.js]
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { closingLine, countSkip, noTotals, readTotals, skipLines, type Totals } from './totals.ts'

const MAJOR = 24
const PLATFORM = 'linux-x64'
const FOLDER = `infra/ci/node-${MAJOR}`

type Say = (line: string) => void

/** The other Node's command, or why there is none here. */
function secondNode(root: string): { path: string } | { absent: string } {
  const platform = `${process.platform}-${process.arch}`
  if (platform !== PLATFORM)
    return { absent: `Node ${MAJOR} comes from npm for ${PLATFORM}, not ${platform}` }
  const path = join(root, FOLDER, `node_modules/node-${PLATFORM}/bin/node`)
  if (!existsSync(path)) throw new Error(`no ${path}: node infra/ci/set-up.mjs node${MAJOR}`)
  return { path }
}

/** The suites on the other Node; one skip where it does not exist. */
export async function runOnSecondNode(root: string, options: string[], say: Say): Promise<Totals> {
  const node = secondNode(root)
  if ('path' in node)
    return runAndRead([node.path, join(root, 'dist/infra/ci/run-tests.js'), ...options], say)
  const totals = noTotals()
  countSkip(totals, node.absent)
  return totals
}

/** Tells all that a run of tests says and returns its totals; coming to no end is a failure too. */
export async function runAndRead([command = '', ...args]: string[], say: Say): Promise<Totals> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    say(`  ${line}`)
  })
  const end = await ended
  const told = readTotals(lines)
  if (told !== undefined && (end === 'exit code 0' || told.failed > 0)) return told
  say(`  FAILED ${[command, ...args].join(' ')}: ${end}`)
  return { ...noTotals(), failed: 1 }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const totals = await runOnSecondNode(root, process.argv.slice(2), say)
  for (const line of [...skipLines(totals), closingLine(totals)]) say(line)
  process.exitCode = totals.failed > 0 ? 1 : 0
}
