/**
 * Label selectors of a policy, with Cilium's meaning. Selectors of a namespaced policy
 * speak of its namespace, unless a peer selector asks for the namespace label
 * (cilium/cilium pkg/k8s/apis/cilium.io/utils/utils.go, getEndpointSelector).
 */
import type { Requirement, Selector } from '../policy/model.ts'
import { NAMESPACE_LABEL } from '../policy/selector.ts'
import type { LabelSelector } from './objects.ts'
import type { Reader } from './reader.ts'
import type { Path } from './source-node.ts'

const CLUSTER_LABEL = 'io.cilium.k8s.policy.cluster'
const DERIVED_PREFIX = 'io.cilium.'
/** What Cilium writes inside; in a file it would be a label that nobody has. */
const INTERNAL_NAMESPACE = [`k8s.${NAMESPACE_LABEL}`, `any.${NAMESPACE_LABEL}`]
const SOURCE_HINTS: Record<string, string> = {
  reserved: 'select the world by prefix (fromCIDR, cidr), the cluster by its namespace label',
  cidr: 'write the prefix where prefixes stand (fromCIDR, cidr)',
}

type Located = { requirement: Requirement; path: Path }

/** The label's own name: `k8s:` and `any:` say where Cilium read it, which is one place here. */
function labelName(reader: Reader, path: Path, key: string): string | undefined {
  const colon = key.indexOf(':')
  const source = colon < 0 ? 'any' : key.slice(0, colon)
  const name = key.slice(colon + 1)
  if (source !== 'k8s' && source !== 'any') {
    const hint =
      SOURCE_HINTS[source] ?? 'only labels of workloads can be selected: k8s:name, any:name or name'
    reader.refuse(path, 'unsupported-feature', `labels of source \`${source}\` are not supported`, hint)
    return undefined
  }
  if (name === '') {
    reader.refuse(path, 'schema-violation', 'a label without name', 'write the name of a label')
    return undefined
  }
  if (INTERNAL_NAMESPACE.includes(name)) {
    reader.refuse(path, 'schema-violation', `\`${name}\` is no label`, `write k8s:${NAMESPACE_LABEL}`)
    return undefined
  }
  return name
}

/** Labels that Cilium derives from objects which Heddle does not see. True = leave the requirement out. */
function isDerived(reader: Reader, { requirement, path }: Located): boolean {
  const { key, operator } = requirement
  if (!key.startsWith(DERIVED_PREFIX)) return false
  // There is one cluster, and every workload is of it.
  if (key === CLUSTER_LABEL && operator === 'Exists') return true
  const hint =
    key === CLUSTER_LABEL
      ? 'there is one cluster: remove it, or write {key: io.cilium.k8s.policy.cluster, operator: Exists}'
      : `select by labels of the workload, or by its namespace with k8s:${NAMESPACE_LABEL}`
  reader.refuse(path, 'unsupported-feature', `the derived label \`${key}\` is not supported`, hint)
  return true
}

function requirements(reader: Reader, selector: LabelSelector, path: Path): Located[] {
  const located: Located[] = []
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    const here = [...path, 'matchLabels', key]
    const name = labelName(reader, here, key)
    if (name !== undefined)
      located.push({ requirement: { key: name, operator: 'In', values: [value] }, path: here })
  }
  for (const [index, expression] of (selector.matchExpressions ?? []).entries()) {
    const here = [...path, 'matchExpressions', index]
    const { operator } = expression
    const values = [...new Set(expression.values)].sort()
    const wantsValues = operator === 'In' || operator === 'NotIn'
    if (wantsValues !== values.length > 0) {
      const message = `${operator} ${wantsValues ? 'needs at least one value' : 'has no values'}`
      reader.refuse(
        [...here, 'values'],
        'schema-violation',
        message,
        `${wantsValues ? 'list' : 'remove'} the values`,
      )
    }
    const name = labelName(reader, [...here, 'key'], expression.key)
    if (name !== undefined)
      located.push({ requirement: { key: name, operator, values }, path: [...here, 'key'] })
  }
  return located.filter((item) => !isDerived(reader, item))
}

const canonical = (list: Requirement[]): Requirement[] => {
  const byText = new Map(list.map((item) => [JSON.stringify([item.key, item.operator, item.values]), item]))
  return [...byText].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, item]) => item)
}

/** Workloads that the policy is about: always of its own namespace. */
export function subjectSelector(
  reader: Reader,
  selector: LabelSelector,
  path: Path,
  namespace: string,
): Selector {
  const located = requirements(reader, selector, path)
  for (const { requirement, path: here } of located) {
    const { key, operator, values } = requirement
    if (key !== NAMESPACE_LABEL) continue
    if (operator === 'In' && values.length === 1 && values[0] === namespace) continue
    const message = 'a policy selects workloads of its own namespace only'
    reader.refuse(here, 'schema-violation', message, `remove it, or move the policy to that namespace`)
  }
  const own = located.map(({ requirement }) => requirement).filter(({ key }) => key !== NAMESPACE_LABEL)
  return { namespaces: [namespace], requirements: canonical(own) }
}

/** Workloads that ask: of the policy's namespace, unless the namespace label says otherwise. */
export function peerSelector(
  reader: Reader,
  selector: LabelSelector,
  path: Path,
  namespace: string,
): Selector {
  const all = requirements(reader, selector, path).map(({ requirement }) => requirement)
  const asked = all.filter(({ key }) => key === NAMESPACE_LABEL)
  const lists = asked.filter(({ operator }) => operator === 'In').map(({ values }) => values)
  const listed = lists.reduce<string[] | null>(
    (left, right) => (left === null ? right : left.filter((value) => right.includes(value))),
    null,
  )
  // Every workload has a namespace, so Exists asks nothing more.
  const rest = all.filter(
    ({ key, operator }) => key !== NAMESPACE_LABEL || operator === 'NotIn' || operator === 'DoesNotExist',
  )
  return { namespaces: asked.length === 0 ? [namespace] : listed, requirements: canonical(rest) }
}
