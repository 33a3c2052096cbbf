/** Policies whose rules look on: what is allowed, denied and limited beside them says the test. */
import assert from 'node:assert/strict'
import type { AuditCounts } from '../../../agent/ports.ts'
import { auditId } from '../../../pipelines/policy/audit.ts'
import type { HttpMatch, LimitRule, Policy, PolicySet, Rule } from '../../../pipelines/policy/model.ts'
import type { KernelFixture } from './kernel-fixture.ts'
import { atOnce } from './limited-policy.ts'

const SOURCE = { file: 'audits.yaml', line: 1, column: 1 }
const PORTS = [{ protocol: 'TCP' as const, first: 1, last: 65_535 }]

/** Paths by what becomes of requests below them; `''`: of all. */
export type Audits = {
  /** Below one of them. Without: nothing is default-deny. */
  allow?: string[]
  deny?: string[]
  /** One request, and then none for an hour. */
  limit?: string[]
  /** By name: what the rule sees. */
  audit: Record<string, string>
  unparsed?: Policy['unparsed']
}

function below(path: string): HttpMatch {
  const condition = { kind: 'path' as const, text: { kind: 'prefix' as const, value: path } }
  return { source: SOURCE, headers: [], ...(path === '' ? {} : { condition }) }
}

const rule = (path: string): Rule & { http: HttpMatch[] } => ({
  ...{ source: SOURCE, peers: null, ports: PORTS },
  http: [below(path)],
})

export function auditedPolicy({ allow, deny = [], limit = [], audit, unparsed = 'refuse' }: Audits): Policy {
  return {
    ...{ name: 'audited', namespace: 'default', source: SOURCE, unparsed },
    subject: { namespaces: ['default'], requirements: [{ key: 'app', operator: 'In', values: ['api'] }] },
    selects: allow !== undefined,
    allow: (allow ?? []).map(rule),
    deny: deny.map(rule),
    limits: limit.map((path): LimitRule => ({ ...rule(path), name: `l${path}`, limit: atOnce(1) })),
    audits: Object.entries(audit).map(([name, path]) => ({ ...rule(path), name })),
  }
}

export const auditedSet = (audits: Audits): PolicySet => ({ policies: [auditedPolicy(audits)], routes: [] })

export const idOf = (rule: string, namespace = 'default') =>
  String(auditId({ namespace, policy: 'audited', rule }))

/** [allowed, refused, unread] of each rule of the policy that has seen anything. */
export async function seenBy(
  fixture: KernelFixture,
  rules: readonly string[],
  namespace?: string,
): Promise<Record<string, number[]>> {
  const counts = await fixture.kernel.audits.counts()
  const seen = rules.map((rule): [string, AuditCounts | undefined] => [
    rule,
    counts.get(idOf(rule, namespace)),
  ])
  return Object.fromEntries(
    seen.flatMap(([rule, said]) => (said ? [[rule, [said.allowed, said.refused, said.unread]]] : [])),
  )
}

export async function samplesOf(fixture: KernelFixture, rule: string, namespace?: string) {
  const samples = (await fixture.kernel.audits.samples()).get(idOf(rule, namespace))
  assert.ok(samples, `${rule} has no sample`)
  return samples
}
