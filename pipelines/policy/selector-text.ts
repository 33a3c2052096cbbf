/** Who and what a policy speaks of, in words: for plans and traces. */
import type { Peer, Ports, Requirement, Selector } from './model.ts'

export function selectorText({ namespaces, requirements }: Selector): string {
  const where = namespaces === null ? 'any namespace' : namespaces.join(', ')
  const asked = requirements.map(requirementText).join(', ')
  return `${asked === '' ? 'all workloads' : asked} in ${where}`
}

function requirementText({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'In':
      return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join(', ')})`
    case 'NotIn':
      return `${key} not in (${values.join(', ')})`
    case 'Exists':
      return key
    case 'DoesNotExist':
      return `no ${key}`
  }
}

export function peerText(peer: Peer): string {
  if (peer.kind === 'endpoints') return selectorText(peer.selector)
  const except = peer.except.length === 0 ? '' : ` without ${peer.except.join(', ')}`
  return `${peer.cidr}${except}`
}

export function portsText({ protocol, first, last }: Ports): string {
  return `${first === last ? first : `${first}-${last}`}/${protocol}`
}
