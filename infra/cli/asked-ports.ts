/** Where a request would go, as far as policies tell: for questions that name no port or namespace. */
import { everyRule } from '../../pipelines/policy/every-rule.ts'
import type { PolicySet, Rule } from '../../pipelines/policy/model.ts'
import { type Labelled, selectorMatches } from '../../pipelines/policy/selector.ts'

const HTTP_PORT = 80

/** TCP ports that rules for this workload name, of a range the first; those with HTTP rules come first. */
export function portsNamed({ policies }: PolicySet, subject: Labelled): [number, ...number[]] {
  const rules = policies.filter((policy) => selectorMatches(policy.subject, subject)).flatMap(everyRule)
  const judged = rules.filter(({ http }) => http !== null)
  const [first = HTTP_PORT, ...others] = new Set([...portsOf(judged), ...portsOf(rules)])
  return [first, ...others]
}

function portsOf(rules: Rule[]): number[] {
  const ranges = rules.flatMap(
    ({ ports }) => ports ?? [{ protocol: 'TCP', first: HTTP_PORT, last: HTTP_PORT }],
  )
  return ranges
    .filter(({ protocol }) => protocol === 'TCP' || protocol === 'ANY')
    .map(({ first, last }) => (first <= HTTP_PORT && HTTP_PORT <= last ? HTTP_PORT : first))
    .sort((a, b) => a - b)
}

/** The one namespace that all policies and routes speak for; else "default". */
export function namespaceOf({ policies, routes, breakers = [] }: PolicySet): string {
  const [one = 'default', ...others] = new Set(
    [...policies, ...routes, ...breakers].map(({ namespace }) => namespace),
  )
  return others.length === 0 ? one : 'default'
}
