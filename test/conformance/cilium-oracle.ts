/**
 * What Cilium's documentation and API comments say a set of objects means. Written
 * from them alone, for the objects of cilium-objects.ts; shares no code with Heddle.
 *
 * Sources: docs.cilium.io security/policy (intro, language, layer3, layer4, layer7,
 * deny, kubernetes); cilium/cilium pkg/policy/api (rule_validation.go, l4.go, http.go),
 * pkg/policy (mergeEndpointSelectors, mergeIngress, createL4Filter),
 * pkg/k8s/apis/cilium.io/utils (getEndpointSelector).
 */
import { BlockList, isIPv6 } from 'node:net'
import { RE2JS } from 're2js'
import type { Cnp, HttpRule, Ingress, LabelSelector, Spec, ToPorts } from './cilium-objects.ts'

export type Pod = { namespace: string; labels: Record<string, string> }
export type Probe = {
  to: Pod
  from: Pod | { address: string }
  port: number
  protocol: string
  method: string
  path: string
  headers: [string, string][]
}
export type Meaning = 'untouched' | 'dropped' | 'open' | 'allowed' | 'forbidden'

const NAMESPACE = 'io.kubernetes.pod.namespace'

/** Labels as Cilium gives them to a pod. */
const labelsOf = (pod: Pod): Map<string, string> =>
  new Map([
    ...Object.entries(pod.labels),
    [NAMESPACE, pod.namespace],
    ['io.cilium.k8s.policy.cluster', 'default'],
  ])

/** `k8s:` and `any:` name where a label comes from; all labels here come from Kubernetes. */
const bare = (key: string) => (key.startsWith('k8s:') || key.startsWith('any:') ? key.slice(4) : key)

function selects(selector: LabelSelector, pod: Pod): boolean {
  const labels = labelsOf(pod)
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (labels.get(bare(key)) !== value) return false
  }
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const value = labels.get(bare(key))
    const listed = value !== undefined && values.includes(value)
    if (operator === 'In' && !listed) return false
    if (operator === 'NotIn' && listed) return false
    if (operator === 'Exists' && value === undefined) return false
    if (operator === 'DoesNotExist' && value !== undefined) return false
  }
  return true
}

const namesNamespace = (selector: LabelSelector) =>
  [...Object.keys(selector.matchLabels ?? {}), ...(selector.matchExpressions ?? []).map(({ key }) => key)]
    .map(bare)
    .includes(NAMESPACE)

/** A peer selector without the namespace label is of the policy's namespace. */
function peerSelects(selector: LabelSelector, pod: Pod, namespace: string): boolean {
  return selects(selector, pod) && (namesNamespace(selector) || pod.namespace === namespace)
}

function inBlock(address: string, block: string): boolean {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  const [net = '', bits] = block.split('/')
  if (isIPv6(net) !== isIPv6(address)) return false
  const list = new BlockList()
  list.addSubnet(net, Number(bits ?? (isIPv6(net) ? 128 : 32)), family)
  return list.check(address, family)
}

/** The L3 part. A list that is there but empty selects no one; no list at all, everyone. */
function fromMatches(rule: Ingress, from: Probe['from'], namespace: string): boolean {
  const { fromEndpoints, fromCIDR, fromCIDRSet } = rule
  if (fromEndpoints === undefined && fromCIDR === undefined && fromCIDRSet === undefined) {
    // Without ports there is nothing that the rule could be about.
    return (rule.toPorts ?? []).length > 0
  }
  if ('address' in from) {
    const { address } = from
    if (fromCIDR?.some((block) => inBlock(address, block))) return true
    return (fromCIDRSet ?? []).some(
      ({ cidr, except = [] }) => inBlock(address, cidr) && !except.some((hole) => inBlock(address, hole)),
    )
  }
  return (fromEndpoints ?? []).some((selector) => peerSelects(selector, from, namespace))
}

function portMatches({ ports }: ToPorts, probe: Probe): boolean {
  return ports.some(({ port, endPort, protocol = 'ANY' }) => {
    if (protocol !== 'ANY' && protocol !== probe.protocol) return false
    return port === '0' || (probe.port >= Number(port) && probe.port <= (endPort ?? Number(port)))
  })
}

/** A header with a value has it, its lines joined as Envoy joins them; without, it is there. */
function headerMatches(probe: Probe, name: string, values: string[] | undefined): boolean {
  const found = probe.headers
    .filter(([own]) => own.toLowerCase() === name.toLowerCase())
    .map(([, value]) => value)
  if (values === undefined) return found.length > 0
  return found.length > 0 && values.includes(found.join(','))
}

function httpMatches(rule: HttpRule, probe: Probe): boolean {
  const host = probe.headers.find(([name]) => name.toLowerCase() === 'host')?.[1] as string
  const parts: [string | undefined, string][] = [
    [rule.method, probe.method],
    [rule.path, probe.path],
    [rule.host, host],
  ]
  if (
    parts.some(([pattern, text]) => pattern !== undefined && pattern !== '' && !RE2JS.matches(pattern, text))
  ) {
    return false
  }
  for (const header of rule.headers ?? []) {
    if (typeof header !== 'string') {
      if (!headerMatches(probe, header.name, header.values)) return false
      continue
    }
    const [first = '', ...rest] = header.split(' ')
    const values = rest.length === 0 ? undefined : [rest.join(' ')]
    if (!headerMatches(probe, first.replace(':', ''), values)) return false
  }
  return (rule.headerMatches ?? []).every(({ name, value }) =>
    headerMatches(probe, name, value === undefined || value === '' ? undefined : [value]),
  )
}

const listOf = <T>(value: T | T[] | undefined): T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value]

/** Of the rules that fit the connection: their HTTP lists; null = no L7 restriction. */
function fitting(rules: Ingress[], probe: Probe, namespace: string): (HttpRule[] | null)[] {
  const found: (HttpRule[] | null)[] = []
  for (const rule of rules) {
    if (!fromMatches(rule, probe.from, namespace)) continue
    if ((rule.toPorts ?? []).length === 0) found.push(null)
    for (const entry of rule.toPorts ?? []) {
      if (!portMatches(entry, probe)) continue
      const http = listOf(entry.rules).flatMap((l7) => l7.http ?? [])
      found.push(http.length === 0 ? null : http)
    }
  }
  return found
}

const defaultDeny = ({ enableDefaultDeny, ingress = [], ingressDeny = [] }: Spec): boolean =>
  enableDefaultDeny?.ingress ?? (ingress.length > 0 || ingressDeny.length > 0)

export function meaning(objects: Cnp[], probe: Probe): Meaning {
  const rules = objects.flatMap((object) => {
    const namespace = object.metadata.namespace ?? 'default'
    return [...listOf(object.spec), ...(object.specs ?? [])].map((spec) => ({ namespace, spec }))
  })
  const selecting = rules.filter(
    ({ namespace, spec }) => probe.to.namespace === namespace && selects(spec.endpointSelector, probe.to),
  )
  const of = (side: 'ingress' | 'ingressDeny') =>
    selecting.flatMap(({ namespace, spec }) => fitting(spec[side] ?? [], probe, namespace))
  if (of('ingressDeny').length > 0) return 'dropped'
  if (!selecting.some(({ spec }) => defaultDeny(spec))) return 'untouched'
  const allowing = of('ingress')
  if (allowing.length === 0) return 'dropped'
  if (allowing.includes(null)) return 'open'
  return allowing.some((http) => http?.some((rule) => httpMatches(rule, probe))) ? 'allowed' : 'forbidden'
}
