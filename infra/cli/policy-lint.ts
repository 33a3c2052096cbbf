/** `heddle policy lint`: would this repository be accepted? */
import { join } from 'node:path'
import type { Command } from 'commander'
import { type Judged, judged } from '../../pipelines/languages/judged.ts'
import { buildTables } from '../../pipelines/tables/build-tables.ts'
import { failureStatus } from '../../functions/statuses.ts'
import { readPolicies } from '../../functions/validate/load-policies.ts'
import { findingText } from './finding-text.ts'
import { readSources } from './policy-sources.ts'
import { paint } from './style.ts'

/** What is well written may still be too much for tables: an expression whose states blow up, above all. */
function fitting(read: Judged): Judged {
  if (!('set' in read)) return read
  const built = buildTables(read.set)
  if (built.ok) return read
  const findings = built.failures.flatMap((failure) =>
    failureStatus(failure).findings.map((finding) => ({ ...finding, code: failure.code })),
  )
  // What all rules together are too much for has no place.
  if (findings.length === 0) throw built.failures[0]
  return { findings: [...read.warnings, ...findings] }
}

function lint(names: string[], options: { json?: boolean }): void {
  const { root, files } = readSources(names)
  const loaded = fitting(judged(readPolicies(files)))
  const accepted = 'set' in loaded
  const found = (accepted ? loaded.warnings : loaded.findings).map((finding) => ({
    ...finding,
    file: join(root, finding.file),
  }))
  if (options.json) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`)
  else {
    for (const finding of found) process.stdout.write(findingText(finding))
    const policies = accepted ? loaded.set.policies.length + loaded.set.routes.length : 0
    const count = accepted ? `${policies} policies` : `${found.length} findings`
    const word = accepted ? paint('green', 'accepted') : paint('red', 'refused')
    process.stdout.write(`${word}: ${count} in ${files.length} files\n`)
  }
  process.exitCode = accepted ? 0 : 1
}

export function register(program: Command): void {
  const policy = program.commands.find((command) => command.name() === 'policy') ?? program.command('policy')
  policy
    .description('look at policies before they are pushed')
    .command('lint')
    .description('check policy files; exit code 0 = accepted, 1 = refused')
    .argument('<files...>', 'YAML files, or folders with them')
    .option('--json', 'print findings as a JSON array')
    .action(lint)
}
