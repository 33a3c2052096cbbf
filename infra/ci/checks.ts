/** Checks that are no tests: each is one or a few commands, and one line in the result. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { staleFiles } from './generated-fresh.ts'
import { closingLine, noTotals, type Totals } from './totals.ts'

/** The smallest capacity that programs are compiled for, log2 of 32-bit words. */
const WORDS_LOG2 = 14

type Say = (line: string) => void
/** Words about what is wrong; empty when nothing is. */
type Check = { name: string; run(root: string): Promise<string> }

/** Output of a command that failed, or nothing. */
async function complaint(root: string, command: string, args: string[]): Promise<string> {
  const result = await execa(command, args, { cwd: root, reject: false, all: true, stdin: 'ignore' })
  return result.failed ? `${result.all ?? ''}\n${result.shortMessage}`.trim() : ''
}

const npx = (root: string, ...args: string[]) => complaint(root, 'npx', ['--no-install', ...args])

/** Every kernel program, with all warnings as errors; an empty policy stands in for the tables. */
async function warningsOfPrograms(root: string): Promise<string> {
  const tables = mkdtempSync(join(tmpdir(), 'heddle-tables-'))
  writeFileSync(join(tables, 'policy.bin'), new Uint8Array(4 << WORDS_LOG2))
  const target = [
    '-target',
    'bpf',
    '-mcpu=v3',
    '-O2',
    '-g',
    '-fsyntax-only',
    '-I/usr/include/x86_64-linux-gnu',
  ]
  const policy = [`-DPOLICY_WORDS_LOG2=${WORDS_LOG2}`, `--embed-dir=${tables}`, '-Wno-c23-extensions']
  const warnings = ['-Wall', '-Wextra', '-Werror']
  const said: string[] = []
  for (const name of readdirSync(join(root, 'bpf/programs'))) {
    const program = join('bpf/programs', name)
    if (name.endsWith('.c'))
      said.push(await complaint(root, 'clang-22', [...target, ...policy, ...warnings, program]))
  }
  rmSync(tables, { recursive: true })
  return said.join('\n').trim()
}

const CHECKS: readonly Check[] = [
  { name: 'types and walls (tsc)', run: (root) => npx(root, 'tsc', '-b') },
  {
    name: 'lint and format (biome)',
    run: (root) => npx(root, 'biome', 'check', '--diagnostic-level=warn', '.'),
  },
  { name: 'dead code (knip)', run: (root) => npx(root, 'knip', '--no-progress') },
  { name: 'generated files are fresh', run: staleFiles },
  { name: 'kernel programs without warnings (clang)', run: warningsOfPrograms },
]

/** Run every check; one failing does not hide the next. */
export async function runChecks(root: string, say: Say): Promise<Totals> {
  const totals = noTotals()
  say(`checks: ${CHECKS.length}`)
  for (const check of CHECKS) {
    const wrong = await check.run(root)
    if (wrong === '') totals.passed++
    else totals.failed++
    say(`  ${wrong === '' ? 'ok    ' : 'FAILED'} ${check.name}`)
    if (wrong !== '') say(`    ${wrong.split('\n').slice(-60).join('\n    ')}`)
  }
  say(`checks: ${closingLine(totals)}`)
  return totals
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  const totals = await runChecks(root, (line) => process.stdout.write(`${line}\n`))
  process.exitCode = totals.failed > 0 ? 1 : 0
}
