/** `action: audit` → rules that see requests, and change nothing. */
import type { AuditRule, Rule } from '../../policy/model.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import type { MeshRule } from './schema.ts'

/** None for another action. `rule`: what the other fields of it say. */
export function auditRuleOf(reader: Reader, { action, name }: MeshRule, path: Path, rule: Rule): AuditRule[] {
  if (action !== 'audit') return []
  if (name === undefined) {
    const hint = 'give it a name: its counts are known by it, also when the policy changes'
    reader.refuse(path, 'schema-violation', 'an audit without name', hint)
    return []
  }
  if (rule.http === null) {
    const hint = 'write ports: [80] and match: {} to see every request there'
    reader.refuse(path, 'schema-violation', 'an audit without match: it sees requests', hint)
    return []
  }
  return [{ ...rule, name, http: rule.http }]
}
