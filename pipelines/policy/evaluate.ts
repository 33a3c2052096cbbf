/**
 * The reference evaluator: what a policy set means, said in the plainest way.
 * Everything faster (tables, kernel) is tested against it.
 */
import type { Request } from '../protocols/http1-request.ts'
import { httpMatches } from './http-match.ts'
import type { Policy, PolicySet, Ports, Rule, Workload } from './model.ts'
import { peerMatches, selectorMatches } from './selector.ts'
import type { Source } from './source.ts'

/** Who speaks to whom: workloads where there is one, `undefined` = not managed (world). */
export type Connection = {
  subject: Pick<Workload, 'namespace' | 'labels'> | undefined
  peer: Pick<Workload, 'namespace' | 'labels'> | undefined
  /** The peer's address in text; read only when the peer is no workload. */
  peerAddress: string
  port: number
  protocol: 'TCP' | 'UDP' | 'SCTP'
}

/** The rule that decided, by policy and place in its file. */
export type Deciding = { policy: string; namespace: string; source: Source }

/**
 * pass: bytes flow unread. deny-l4: dropped before any byte. allow, deny-l7:
 * this request passes, or is answered 403 (`unparsed-refuse`: closed).
 */
export type Verdict = { deciding: Deciding | undefined } & (
  | { kind: 'pass'; reason: 'not-selected' | 'allowed-l4' }
  | { kind: 'deny-l4'; reason: 'denied-by-rule' | 'no-rule-for-peer-and-port' }
  | { kind: 'allow'; reason: 'request-matches' | 'unparsed-pass' }
  | { kind: 'deny-l7'; reason: 'no-request-rule-matches' | 'unparsed-refuse' }
)

type Applicable = { policy: Policy; rule: Rule }

function portsMatch(ports: Ports[] | null, connection: Connection): boolean {
  if (ports === null) return true
  return ports.some(
    ({ protocol, first, last }) =>
      (protocol === 'ANY' || protocol === connection.protocol) &&
      connection.port >= first &&
      connection.port <= last,
  )
}

/** Does the rule speak of this connection? Its requests are judged by `http`. */
export function ruleApplies(rule: Rule, connection: Connection): boolean {
  const { peers, ports } = rule
  const { peer, peerAddress } = connection
  return (
    portsMatch(ports, connection) &&
    (peers === null || peers.some((candidate) => peerMatches(candidate, peer, peerAddress)))
  )
}

function deciding({ policy, rule }: Applicable): Deciding {
  return { policy: policy.name, namespace: policy.namespace, source: rule.source }
}

/** L7 rules apply; judge one request (or what was found to be no HTTP/1). */
function judge(judges: Applicable[], request: Request | 'unparsed'): Verdict {
  const first = judges[0] as Applicable
  if (request === 'unparsed') {
    const open = judges.find(({ policy }) => policy.unparsed === 'pass')
    return open === undefined
      ? { kind: 'deny-l7', reason: 'unparsed-refuse', deciding: deciding(first) }
      : { kind: 'allow', reason: 'unparsed-pass', deciding: deciding(open) }
  }
  for (const applicable of judges) {
    const match = applicable.rule.http?.find((candidate) => httpMatches(candidate, request))
    if (match !== undefined) {
      const source = match.source
      return { kind: 'allow', reason: 'request-matches', deciding: { ...deciding(applicable), source } }
    }
  }
  return { kind: 'deny-l7', reason: 'no-request-rule-matches', deciding: deciding(first) }
}

/**
 * Verdict of a policy set on a request of a connection. `request` is 'unparsed'
 * for TLS, HTTP/2 and other protocols (a request that breaks the canonical HTTP/1 subset never
 * gets here: it is refused before policy). Order: a deny rule drops; a subject
 * that no policy selects passes; an L3/L4 allow absorbs L7 rules; else L7 rules
 * judge; else drop. Throws Failure('expression-invalid') on a pattern that no
 * front-end would have let in.
 */
export function evaluate(set: PolicySet, connection: Connection, request: Request | 'unparsed'): Verdict {
  const { subject } = connection
  if (subject === undefined) return { kind: 'pass', reason: 'not-selected', deciding: undefined }
  const policies = set.policies.filter((policy) => selectorMatches(policy.subject, subject))
  const applicable = (kind: 'allow' | 'deny'): Applicable[] =>
    policies.flatMap((policy) =>
      policy[kind].filter((rule) => ruleApplies(rule, connection)).map((rule) => ({ policy, rule })),
    )

  const denied = applicable('deny')[0]
  if (denied !== undefined) return { kind: 'deny-l4', reason: 'denied-by-rule', deciding: deciding(denied) }

  const selecting = policies.find((policy) => policy.selects)
  if (selecting === undefined) return { kind: 'pass', reason: 'not-selected', deciding: undefined }

  const allows = applicable('allow')
  const absorbing = allows.find(({ rule }) => rule.http === null)
  if (absorbing !== undefined) return { kind: 'pass', reason: 'allowed-l4', deciding: deciding(absorbing) }

  const judges = allows.filter(({ rule }) => rule.http !== null)
  if (judges.length > 0) return judge(judges, request)

  const { name, namespace, source } = selecting
  return {
    kind: 'deny-l4',
    reason: 'no-rule-for-peer-and-port',
    deciding: { policy: name, namespace, source },
  }
}
