/** What was read, judged by its own cases: a case that fails refuses everything, like any other error. */
import type { CaseDeciding, PolicyCase } from '../policy/policy-case.ts'
import type { PolicySet } from '../policy/model.ts'
import { runCase } from '../policy/run-case.ts'
import { type Finding, inReadingOrder, problem } from './finding.ts'
import type { Loaded } from './policy-files.ts'

/** What may be delivered; its cases hold, and nobody needs them any more. */
export type Judged = { set: PolicySet; warnings: Finding[] } | { findings: Finding[] }

const byWhom = (deciding: CaseDeciding | null): string => {
  if (deciding === null) return ''
  const { kind, namespace, name, source } = deciding
  return ` by ${kind} ${namespace}/${name} at ${source.file}:${source.line}`
}

function failureOf(set: PolicySet, policyCase: PolicyCase): Finding[] {
  const { holds, expected, came, deciding } = runCase(set, policyCase)
  if (holds) return []
  const message = `\`${policyCase.name}\`: expected ${expected}, came ${came}${byWhom(deciding)}`
  const hint = 'correct what decides, or the case where this is meant'
  return [problem(policyCase.source, 'policy-test-failed', message, hint)]
}

export function judged(loaded: Loaded): Judged {
  if (!('set' in loaded)) return loaded
  const { set, warnings, cases } = loaded
  const failed = cases.flatMap((each) => failureOf(set, each))
  return failed.length === 0 ? { set, warnings } : { findings: inReadingOrder([...warnings, ...failed]) }
}
