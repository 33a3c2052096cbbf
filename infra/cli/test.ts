/** `heddle test`: do the cases beside the policies hold? */
import { join } from 'node:path'
import type { Command } from 'commander'
import { readPolicies } from '../../functions/validate/load-policies.ts'
import type { Finding } from '../../pipelines/languages/finding.ts'
import { type CaseResult, type PolicyCase, titleOf } from '../../pipelines/policy/policy-case.ts'
import { runCase } from '../../pipelines/policy/run-case.ts'
import { findingText } from './finding-text.ts'
import { readSources } from './policy-sources.ts'
import { paint } from './style.ts'
import { UsageError } from './usage.ts'

type Options = { policies: string[]; only?: string; json?: boolean }
/** As it is shown: files named as the caller named them. */
type Told = Pick<PolicyCase, 'namespace' | 'test' | 'name' | 'source'> & CaseResult & { title: string }

function patternOf(only: string): RegExp {
  try {
    return new RegExp(only)
  } catch {
    throw new UsageError(`${only}: no regular expression`)
  }
}

function told(root: string, policyCase: PolicyCase, result: CaseResult): Told {
  const { namespace, test, name, source } = policyCase
  const placed = <T extends { file: string }>(at: T): T => ({ ...at, file: join(root, at.file) })
  const deciding = result.deciding && { ...result.deciding, source: placed(result.deciding.source) }
  return { namespace, test, name, source: placed(source), ...result, deciding, title: titleOf(policyCase) }
}

function line({ title, source, holds, expected, came, deciding }: Told): string {
  if (holds) return `${paint('green', 'holds')} ${title}\n`
  const place = deciding && `${deciding.source.file}:${deciding.source.line}`
  const by = deciding ? ` by ${deciding.kind} ${deciding.namespace}/${deciding.name} at ${place}` : ''
  const where = paint('bold', `${source.file}:${source.line}:${source.column}`)
  return `${paint('red', 'fails')} ${title}: expected ${expected}, came ${came}${by} (${where})\n`
}

/** Exits with 1: what was not read has no cases. */
function refuse(findings: readonly Finding[], options: Options): void {
  const refused = `${paint('red', 'refused')}: ${findings.length} findings\n`
  const json = { cases: [], held: 0, failed: 0, findings }
  write(options, json, [...findings.map(findingText), refused].join(''))
  process.exitCode = 1
}

function test(options: Options): void {
  const only = options.only === undefined ? undefined : patternOf(options.only)
  const { root, files } = readSources(options.policies)
  const loaded = readPolicies(files)
  const found = 'set' in loaded ? loaded.warnings : loaded.findings
  const findings = found.map((finding) => ({ ...finding, file: join(root, finding.file) }))
  if (!('set' in loaded)) {
    refuse(findings, options)
    return
  }
  const { set, cases } = loaded
  const asked = cases.filter((each) => only === undefined || only.test(titleOf(each)))
  if (cases.length === 0) throw new UsageError('there is no case (kind: PolicyTest) in these files')
  if (asked.length === 0) throw new UsageError(`${options.only}: none of ${cases.length} cases`)
  const results = asked.map((each) => told(root, each, runCase(set, each)))
  const failed = results.filter(({ holds }) => !holds).length
  const held = results.length - failed
  const summary = `${held} hold, ${failed === 0 ? '0 fail' : paint('red', `${failed} fail`)}\n`
  const shown = results.map(({ title, ...result }) => result)
  write(options, { cases: shown, held, failed, findings }, [...results.map(line), summary].join(''))
  process.exitCode = failed === 0 ? 0 : 1
}

function write(options: Options, json: unknown, text: string): void {
  process.stdout.write(options.json ? `${JSON.stringify(json, null, 2)}\n` : text)
}

export function register(program: Command): void {
  program
    .command('test')
    .description('run the cases that stand beside policies (kind: PolicyTest)')
    .addHelpText(
      'after',
      '\nExit code: 0 = all hold; 1 = a case fails, or the policies are refused; 2 = wrong usage, or there is no such case.',
    )
    .requiredOption('-f, --policies <files...>', 'YAML files, or folders with them')
    .option('--only <pattern>', "cases whose title ('namespace/test: name') the regular expression is in")
    .option('--json', 'print the results as JSON')
    .action(test)
}
