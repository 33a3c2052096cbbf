/** All rules of a policy, whatever they do. */
import type { Policy, Rule } from './model.ts'

export function everyRule({ allow, deny, limits = [], audits = [], mirrors = [] }: Policy): Rule[] {
  return [...allow, ...deny, ...limits, ...audits, ...mirrors]
}
