/** `action: mirror` → rules that copy requests. */
import type { MirrorRule, Rule } from '../../policy/model.ts'
import { mirrorRatio, mirrorTarget } from '../mirrors.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import type * as schema from './schema.ts'

/** A rule as it is written, where, and what the other fields of it say. */
export type Written = { written: schema.MeshRule; at: Path; rule: Rule }

/** None for another action, whose rule has no mirror. */
export function mirrorRuleOf(
  reader: Reader,
  { written, at, rule }: Written,
  namespace: string,
): MirrorRule[] {
  const { action, mirror } = written
  if (action !== 'mirror') {
    if (mirror !== undefined) {
      const hint = 'write action: mirror, a rule of its own beside what it copies'
      reader.refuse([...at, 'mirror'], 'schema-violation', `a mirror in a rule that is to ${action}`, hint)
    }
    return []
  }
  if (mirror === undefined) {
    const hint = 'write mirror: {to: name, ratio: 0.1}'
    reader.refuse(at, 'schema-violation', 'the action mirror without `mirror`', hint)
    return []
  }
  const { http, ports } = rule
  if (http === null) {
    const hint = 'write ports: [80] and match: {} to copy every request there'
    reader.refuse(at, 'schema-violation', 'a mirror without match: it copies requests', hint)
    return []
  }
  const place = { text: mirror.to, namespace, ports }
  const to = mirrorTarget(reader, [...at, 'mirror', 'to'], place)
  const ratio = mirrorRatio(reader, [...at, 'mirror', 'ratio'], mirror.ratio ?? 1)
  return to === undefined ? [] : [{ ...rule, http, mirror: { to, ratio } }]
}
