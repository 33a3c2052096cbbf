/** Addresses that are no workload: a prefix, and what is taken out of it. */
import { parsePrefix, prefixContains, prefixText } from '../policy/address.ts'
import type { Peer } from '../policy/model.ts'
import type { Reader } from './reader.ts'
import type { Path } from './source-node.ts'

/** `{cidr, except}` at `path`. No bare address: Cilium takes none either (CIDRRule.sanitize). */
export function prefixPeer(
  reader: Reader,
  path: Path,
  entry: { cidr: string; except?: string[] | undefined },
): Peer[] {
  const { cidr, except = [] } = entry
  const outer = cidr.includes('/') ? parsePrefix(cidr) : undefined
  if (outer === undefined) {
    reader.refuse(
      [...path, 'cidr'],
      'schema-violation',
      `\`${cidr}\` is no prefix`,
      'write it like 192.0.2.0/24',
    )
    return []
  }
  const holes: string[] = []
  for (const [index, text] of except.entries()) {
    const hole = text.includes('/') ? parsePrefix(text) : undefined
    if (hole === undefined || !prefixContains(outer, hole.address) || hole.bits < outer.bits) {
      const message = `\`${text}\` is no prefix inside ${cidr}`
      reader.refuse(
        [...path, 'except', index],
        'schema-violation',
        message,
        'an exception lies inside its cidr',
      )
    } else holes.push(prefixText(hole))
  }
  return [{ kind: 'cidr', cidr: prefixText(outer), except: [...new Set(holes)].sort() }]
}
