/** `from…` of an ingress or ingressDeny rule. */
import { parsePrefix, prefixText } from '../../policy/address.ts'
import type { Peer } from '../../policy/model.ts'
import { prefixPeer } from '../prefixes.ts'
import type { Reader } from '../reader.ts'
import { peerSelector } from '../selectors.ts'
import type { Path } from '../source-node.ts'
import type { IngressDenyRule, IngressRule } from './schema.ts'

const KINDS = ['fromEndpoints', 'fromCIDR', 'fromCIDRSet'] as const

function cidrPeer(reader: Reader, path: Path, text: string): Peer[] {
  const prefix = parsePrefix(text)
  if (prefix === undefined) {
    reader.refuse(
      path,
      'schema-violation',
      `\`${text}\` is no prefix`,
      'write it like 192.0.2.0/24 or 2001:db8::/32',
    )
    return []
  }
  return [{ kind: 'cidr', cidr: prefixText(prefix), except: [] }]
}

/**
 * Peers of a rule: null = everyone, [] = no one. A list that is there but empty
 * selects no one (cilium/cilium pkg/policy, mergeEndpointSelectors); a rule
 * without peers and ports is about nothing (mergeIngress).
 */
export function peersOf(
  reader: Reader,
  rule: IngressRule | IngressDenyRule,
  path: Path,
  namespace: string,
): Peer[] | null {
  const present = KINDS.filter((kind) => rule[kind] !== undefined)
  if (present.length > 1) {
    const message = `combining ${present.join(' and ')} in one rule is not supported`
    reader.refuse([...path, present[1] as string], 'unsupported-feature', message, 'write a rule for each')
  }
  if (present.length === 0) return (rule.toPorts ?? []).length > 0 ? null : []
  return [
    ...(rule.fromEndpoints ?? []).map((selector, index): Peer => {
      const here = [...path, 'fromEndpoints', index]
      return { kind: 'endpoints', selector: peerSelector(reader, selector, here, namespace) }
    }),
    ...(rule.fromCIDR ?? []).flatMap((text, index) => cidrPeer(reader, [...path, 'fromCIDR', index], text)),
    ...(rule.fromCIDRSet ?? []).flatMap((entry, index) =>
      prefixPeer(reader, [...path, 'fromCIDRSet', index], entry),
    ),
  ]
}
