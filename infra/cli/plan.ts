/** `heddle plan`: what would the policies of this work tree change, compared with what is delivered? */
import { execa } from 'execa'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { gitForge } from '../../functions/adapters/git-forge.ts'
import { isPolicyFile, POLICY_FOLDER } from '../../functions/adapters/policy-entries.ts'
import { planText } from '../../functions/post/plan-text.ts'
import { readPolicies, type TextFile } from '../../functions/validate/load-policies.ts'
import { judged } from '../../pipelines/languages/judged.ts'
import { planOf } from '../../pipelines/policy/plan.ts'
import { TENANTS_FILE } from '../../pipelines/policy/tenancy.ts'
import { readSources } from './policy-sources.ts'
import { UsageError } from './usage.ts'

type Options = { repository: string; against: string; json?: boolean }

async function plan({ repository, against, json }: Options): Promise<void> {
  const loaded = judged(readPolicies(workTree(repository)))
  const accepted = 'set' in loaded
  const base = await commitOf(repository, against)
  const before = judged(readPolicies(await filesOf(repository, base)))
  const changes = accepted && 'set' in before ? planOf(before.set, loaded.set) : null
  const told = {
    commit: 'work tree',
    state: accepted ? ('success' as const) : ('failure' as const),
    description: accepted ? 'the policies are valid' : 'it would be refused',
    findings: accepted ? loaded.warnings : loaded.findings,
    against: { commit: base, behind: false },
    plan: changes,
  }
  process.stdout.write(json ? `${JSON.stringify(told, null, 2)}\n` : planText(told))
  process.exitCode = accepted ? 0 : 1
}

/** The files that a commit of it would deliver. */
function workTree(repository: string): TextFile[] {
  const folder = join(repository, POLICY_FOLDER)
  const tenants = join(repository, TENANTS_FILE)
  const isThere = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined
  const below = isThere(folder) ? readSources([folder]).files : []
  const files = below.map(({ path, text }) => ({ path: `${POLICY_FOLDER}/${path}`, text }))
  const listed = isThere(tenants) ? [{ path: TENANTS_FILE, text: readFileSync(tenants, 'utf8') }] : []
  return [...files, ...listed].filter(({ path }) => isPolicyFile(path))
}

async function filesOf(repository: string, commit: string): Promise<TextFile[]> {
  const { files } = await gitForge(repository).read(commit)
  return files.map(({ path, bytes }) => ({ path, text: Buffer.from(bytes).toString('utf8') }))
}

async function commitOf(repository: string, name: string): Promise<string> {
  const args = ['-C', repository, 'rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`]
  const { exitCode, stdout } = await execa('git', args, { reject: false })
  if (exitCode !== 0) throw new UsageError(`${name}: no commit of the repository in ${repository}`)
  return stdout.trim()
}

export function register(program: Command): void {
  program
    .command('plan')
    .description(
      'say what the policies of a work tree change: who gets in now, who no longer; exit code 1 = refused',
    )
    .option('-r, --repository <directory>', 'the work tree', '.')
    .option('--against <commit>', 'commit or branch to compare with', 'origin/main')
    .option('--json', 'print the plan as JSON')
    .action(plan)
}
