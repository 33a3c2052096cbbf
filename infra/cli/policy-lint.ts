/** `heddle policy lint`: would this repository be accepted? */
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Finding } from '../../pipelines/languages/finding.ts'
import { readPolicies } from '../../functions/validate/load-policies.ts'
import { readSources } from './policy-sources.ts'
import { paint } from './style.ts'

function shown({ file, line, column, severity, code, message, hint }: Finding): string {
  const ink = severity === 'error' ? 'red' : 'yellow'
  return `${paint('bold', `${file}:${line}:${column}`)} ${paint(ink, severity)} ${code}: ${message}\n    ${hint}\n`
}

function lint(names: string[], options: { json?: boolean }): void {
  const { root, files } = readSources(names)
  const loaded = readPolicies(files)
  const accepted = 'set' in loaded
  const found = (accepted ? loaded.warnings : loaded.findings).map((finding) => ({
    ...finding,
    file: join(root, finding.file),
  }))
  if (options.json) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`)
  else {
    for (const finding of found) process.stdout.write(shown(finding))
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
