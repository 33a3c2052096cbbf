/** `cilium.io/v2 CiliumNetworkPolicy`: one document → policies of the model, or findings. */
import type { MirrorRule, Policy, Rule } from '../../policy/model.ts'
import { annotationsOf, UNPARSED } from '../annotations.ts'
import { type Finding, problem } from '../finding.ts'
import { DEFAULT_NAMESPACE } from '../objects.ts'
import { type Reader, readerOf } from '../reader.ts'
import { schemaFindings } from '../schema-findings.ts'
import { subjectSelector } from '../selectors.ts'
import { nodeAt, type Path, placeOf, plainValue, type SourceNode } from '../source-node.ts'
import { TLS_PORTS, warnOfTls } from '../tls-ports.ts'
import { UNSUPPORTED, UNSUPPORTED_KINDS, USUAL } from './features.ts'
import { type HttpRules, httpOf } from './http-rules.ts'
import { peersOf } from './peers.ts'
import { portsOf } from './ports.ts'
import {
  CiliumNetworkPolicy,
  type CiliumRule,
  FIELDS,
  type IngressDenyRule,
  type IngressRule,
  type PortRule,
} from './schema.ts'
import { unparsedOf } from './unparsed.ts'

function portRule(
  reader: Reader,
  rule: PortRule,
  path: Path,
  namespace: string,
): Pick<Rule, 'source' | 'ports'> & HttpRules {
  const ports = portsOf(reader, rule.ports, [...path, 'ports'])
  const { http, mirrors } = httpOf(reader, rule.rules, [...path, 'rules'], { namespace, ports })
  if (http !== null) {
    for (const [index, { protocol, port }] of rule.ports.entries()) {
      const here = [...path, 'ports', index]
      if (protocol !== 'TCP') {
        const message = `HTTP rules apply to TCP only, not to ${protocol ?? 'ANY'}`
        reader.refuse(here, 'schema-violation', message, 'write protocol: TCP')
      }
      if (port === '0') {
        const message = 'HTTP rules cannot apply to every port'
        reader.refuse([...here, 'port'], 'schema-violation', message, 'list the ports that speak HTTP')
      }
      if (TLS_PORTS.includes(Number(port))) {
        warnOfTls(reader, [...here, 'port'], Number(port), `the annotation ${UNPARSED}: pass`)
      }
    }
  }
  return { source: reader.place(path), ports, http, mirrors }
}

type Rules = { rules: Rule[]; mirrors: MirrorRule[] }

/** An ingress entry makes a rule for each entry of its toPorts. */
function rulesOf(reader: Reader, rule: IngressRule | IngressDenyRule, path: Path, namespace: string): Rules {
  const peers = peersOf(reader, rule, path, namespace)
  const toPorts = rule.toPorts ?? []
  if (toPorts.length === 0) {
    return { rules: [{ source: reader.place(path), peers, ports: null, http: null }], mirrors: [] }
  }
  const read = toPorts.map((entry, index) => {
    const { mirrors, ...judging } = portRule(reader, entry, [...path, 'toPorts', index], namespace)
    return { rule: { peers, ...judging }, mirrors }
  })
  return {
    rules: read.map((each) => each.rule),
    mirrors: read.flatMap(({ rule: of, mirrors }) => mirrors.map((mirror) => ({ ...of, ...mirror }))),
  }
}

type Named = Pick<Policy, 'name' | 'namespace' | 'unparsed' | 'refuses'>

function policyOf(reader: Reader, rule: CiliumRule, path: Path, named: Named): Policy {
  const { ingress = [], ingressDeny = [], enableDefaultDeny = {} } = rule
  if (enableDefaultDeny.egress === true) {
    const message = '`enableDefaultDeny.egress` is not supported'
    reader.refuse(
      [...path, 'enableDefaultDeny', 'egress'],
      'unsupported-feature',
      message,
      UNSUPPORTED.egress,
    )
  }
  // cilium/cilium pkg/policy/api/rule_validation.go, Rule.Sanitize.
  const selects = enableDefaultDeny.ingress ?? ingress.length + ingressDeny.length > 0
  if (!selects && ingress.length + ingressDeny.length === 0) {
    const message = 'a policy without rules changes nothing'
    reader.warn(path, message, 'write ingress: [{}] to let no one in, or remove the policy')
  }
  const each = <T extends IngressRule | IngressDenyRule>(field: string, list: T[]) =>
    list.map((entry, index) => rulesOf(reader, entry, [...path, field, index], named.namespace))
  const allowed = each('ingress', ingress)
  const mirrors = allowed.flatMap((entry) => entry.mirrors)
  return {
    ...named,
    source: reader.place(path),
    subject: subjectSelector(reader, rule.endpointSelector, [...path, 'endpointSelector'], named.namespace),
    selects,
    allow: allowed.flatMap(({ rules }) => rules),
    deny: each('ingressDeny', ingressDeny).flatMap(({ rules }) => rules),
    ...(mirrors.length === 0 ? {} : { mirrors }),
  }
}

/** A document of another kind, told by name. */
function wrongKind(root: SourceNode): Finding | undefined {
  const text = (field: string) => {
    const node = nodeAt(root, [field])
    return node.kind === 'scalar' ? String(node.value) : ''
  }
  const [version, kind] = root.kind === 'map' ? [text('apiVersion'), text('kind')] : ['', '']
  if (kind === 'CiliumNetworkPolicy' && version === 'cilium.io/v2') return undefined
  const at = placeOf(root, [kind === 'CiliumNetworkPolicy' ? 'apiVersion' : 'kind'])
  const hint = Object.hasOwn(UNSUPPORTED_KINDS, kind)
    ? (UNSUPPORTED_KINDS[kind] as string)
    : 'write a MeshPolicy (heddle.dev/v1), a CiliumNetworkPolicy (cilium.io/v2) or an HTTPRoute (gateway.networking.k8s.io/v1)'
  const message = kind === '' ? 'no policy: the document has no kind' : `${version} ${kind} is not supported`
  return problem(at, 'unsupported-kind', message, hint)
}

export type ReadDocument = { policies: Policy[]; findings: Finding[] }

/** Read one document. Policies are there only when no finding is an error. */
export function readCiliumDocument(root: SourceNode): ReadDocument {
  const foreign = wrongKind(root)
  if (foreign !== undefined) return { policies: [], findings: [foreign] }
  const parsed = CiliumNetworkPolicy.safeParse(plainValue(root))
  if (!parsed.success) {
    const findings = schemaFindings(root, parsed.error, {
      fields: FIELDS,
      unsupported: UNSUPPORTED,
      inside: USUAL,
      schema: 'pipelines/languages/cilium/schema.gen.json',
    })
    return { policies: [], findings }
  }
  const { metadata, spec, specs = [] } = parsed.data
  const reader = readerOf(root)
  const { name, namespace = DEFAULT_NAMESPACE, annotations = {} } = metadata
  const unparsed = unparsedOf(reader, annotations)
  const named = { name, namespace, unparsed, ...annotationsOf(reader, annotations, [UNPARSED]) }
  const rules: [CiliumRule, Path][] = specs.map((rule, index) => [rule, ['specs', index]])
  if (spec !== undefined) rules.unshift([spec, ['spec']])
  if (rules.length === 0) {
    reader.refuse(
      [],
      'schema-violation',
      'a policy without spec',
      'write what it selects and allows under spec',
    )
  }
  const policies = rules.map(([rule, path]) => policyOf(reader, rule, path, named))
  const refused = reader.findings.some(({ severity }) => severity === 'error')
  return { policies: refused ? [] : policies, findings: reader.findings }
}
