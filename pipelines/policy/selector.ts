/** Who a selector or a peer speaks of: the one reading that evaluator, compiler and agent share. */
import { parseAddress, parsePrefix, prefixContains } from './address.ts'
import type { Peer, Requirement, Selector, Workload } from './model.ts'

/** The label under which Kubernetes front-ends see a workload's namespace. */
export const NAMESPACE_LABEL = 'io.kubernetes.pod.namespace'

export type Labelled = Pick<Workload, 'namespace' | 'labels'>

/** Kubernetes label-selector semantics: NotIn holds for a workload without the label. */
function requirementHolds(requirement: Requirement, workload: Labelled): boolean {
  const { key, operator, values } = requirement
  const own = Object.hasOwn(workload.labels, key) ? workload.labels[key] : undefined
  const value = key === NAMESPACE_LABEL ? workload.namespace : own
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
  }
}

/** True when the selector speaks of the workload: namespace and every requirement. */
export function selectorMatches(selector: Selector, workload: Labelled): boolean {
  const { namespaces, requirements } = selector
  if (namespaces !== null && !namespaces.includes(workload.namespace)) return false
  return requirements.every((requirement) => requirementHolds(requirement, workload))
}

/** True when the text is an address inside `cidr` and in none of `except`. */
export function cidrMatches(cidr: string, except: readonly string[], text: string): boolean {
  const address = parseAddress(text)
  if (address === undefined) return false
  const covers = (candidate: string) => {
    const prefix = parsePrefix(candidate)
    return prefix !== undefined && prefixContains(prefix, address)
  }
  return covers(cidr) && !except.some(covers)
}

/**
 * True when the peer speaks of the remote end: a workload when there is one,
 * else its address. CIDRs never match workloads (their addresses come and go),
 * endpoint selectors never match the world.
 */
export function peerMatches(peer: Peer, remote: Labelled | undefined, address: string): boolean {
  switch (peer.kind) {
    case 'endpoints':
      return remote !== undefined && selectorMatches(peer.selector, remote)
    case 'cidr':
      return remote === undefined && cidrMatches(peer.cidr, peer.except, address)
  }
}
