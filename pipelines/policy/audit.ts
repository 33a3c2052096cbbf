/** Audit rules: what they match is counted and sampled, and nothing else happens to it. */
import { utf8 } from '../bytes.ts'
import { fnv } from './limit.ts'

export type NamedRule = { namespace: string; policy: string; rule: string }

/**
 * By what a rule's counts are known, in every generation: where it stands and its name. So they go on when its
 * match changes; under another name they begin anew.
 */
export function auditId({ namespace, policy, rule }: NamedRule): bigint {
  return fnv(utf8(JSON.stringify(['audit', namespace, policy, rule])))
}
