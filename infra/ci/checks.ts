/** Checks that are no tests: each is one or a few commands, and one line in the result. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { staleFiles } from './generated-fresh.ts'
import { closingLine, noTotals, type Totals } from './totals.ts'

type Say = (line: string) => void
/** Words about what is wrong; empty when nothing is. */
type Check = { name: string; run(root: string): Promise<string> }

/** Output of a command that failed, or nothing. */
async function complaint(root: string, command: string, args: string[]): Promise<string> {
  const result = await execa(command, args, { cwd: root, reject: false, all: true, stdin: 'ignore' })
  return result.failed ? `${result.all ?? ''}\n${result.shortMessage}`.trim() : ''
}

const npx = (root: string, ...args: string[]) => complaint(root, 'npx', ['--no-install', ...args])

/** Every kernel program, with all warnings as errors. */
async function warningsOfPrograms(root: string): Promise<string> {
  const flags = ['-target', 'bpf', '-mcpu=v3', '-std=gnu23', '-O2', '-g', '-fsyntax-only']
  const warnings = ['-Wall', '-Wextra', '-Werror']
  const includes = ['-I', 'bpf', '-idirafter', '/usr/include/x86_64-linux-gnu']
  const said = []
  const programs = readdirSync(join(root, 'bpf/programs')).filter((name) => name.endsWith('.c'))
  for (const name of programs) {
    const program = join('bpf/programs', name)
    said.push(await complaint(root, 'clang-22', [...flags, ...warnings, ...includes, program]))
  }
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
