/** `heddle rebuild`: make an artifact again from its commit, and compare. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { openStore, readOnly } from '../audit/open-store.ts'
import { type Rebuilt, rebuild } from '../audit/rebuild.ts'
import { cleanCompiler } from '../trust/checkout-code.ts'
import { artifactArgument } from './artifact-argument.ts'
import { paint } from './style.ts'

type Options = { store: string; repository: string; json?: boolean }

async function run(artifact: Digest, { store, repository, json }: Options): Promise<void> {
  const from = { repository: resolve(repository), compiler: cleanCompiler() }
  const result = await rebuild(readOnly(openStore(store)), artifact, from)
  process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : tell(result))
  if (!result.same) process.exitCode = 1
}

function tell({ artifact, commit, rebuilt, same, parts }: Rebuilt): string {
  const from = `commit ${commit} gives ${rebuilt}`
  if (same) return `${paint('green', 'the same')}: ${from}\n`
  const different = parts.filter((part) => !part.same)
  const lines = different.map(
    ({ part, published, rebuilt: ours }) =>
      `  ${part}: published ${JSON.stringify(published)}\n  ${' '.repeat(part.length)}  rebuilt   ${JSON.stringify(ours)}\n`,
  )
  const code = different.some(({ part }) => part === 'code')
    ? '  other program code: rebuild with the checkout of Heddle that built the artifact\n'
    : ''
  return `${paint('red', 'rebuild-differs')}: ${from}, not ${artifact}\n${lines.join('')}${code}`
}

export function register(program: Command): void {
  program
    .command('rebuild')
    .argument('<artifact>', 'its digest, sha256:…', artifactArgument)
    .description('validate and compile its commit with this checkout; exit code 0 = the same bytes')
    .requiredOption(
      '--store <address>',
      'object store that has the manifest: a directory or an http(s) address',
    )
    .requiredOption('--repository <path>', 'git repository of policies that has the commit')
    .option('--json', 'print what was compared as JSON')
    .action(run)
}
