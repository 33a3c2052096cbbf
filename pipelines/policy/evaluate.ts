/**
 * The reference evaluator: what a policy set means, said in the plainest way.
 * Everything faster (tables, kernel) is tested against it.
 */
import type { Request } from '../protocols/http1-request.ts'
import { httpMatches } from './http-match.ts'
import { isCopy } from './mirror.ts'
import type {
  AuditRule,
  LimitRule,
  MirrorRule,
  Peer,
  Policy,
  PolicySet,
  Ports,
  Rule,
  Workload,
} from './model.ts'
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

/** The rule that decided, by policy and place in its file; `why` is what the rule says of itself. */
export type Deciding = { policy: string; namespace: string; source: Source; why?: string }

/**
 * pass: bytes flow unread. deny-l4: dropped before any byte. allow, deny-l7:
 * this request passes, or is answered 403 (`unparsed-refuse`: closed).
 */
export type Verdict = { deciding: Deciding | undefined } & (
  | { kind: 'pass'; reason: 'not-selected' | 'allowed-l4' }
  | { kind: 'deny-l4'; reason: 'denied-by-rule' | 'no-rule-for-peer-and-port' }
  | { kind: 'allow'; reason: 'request-matches' | 'no-rule-denies' | 'unparsed-pass' }
  | { kind: 'deny-l7'; reason: 'denied-by-rule' | 'no-request-rule-matches' | 'unparsed-refuse' }
)

type Applicable<R extends Rule = Rule> = { policy: Policy; rule: R }

export function portsMatch(ports: Ports[] | null, connection: Connection): boolean {
  if (ports === null) return true
  return ports.some(
    ({ protocol, first, last }) =>
      (protocol === 'ANY' || protocol === connection.protocol) &&
      connection.port >= first &&
      connection.port <= last,
  )
}

export function peersMatch(peers: Peer[] | null, { peer, peerAddress }: Connection): boolean {
  return peers === null || peers.some((candidate) => peerMatches(candidate, peer, peerAddress))
}

/** Does the rule speak of this connection? Its requests are judged by `http`. */
export function ruleApplies({ peers, ports }: Rule, connection: Connection): boolean {
  return portsMatch(ports, connection) && peersMatch(peers, connection)
}

function deciding({ policy, rule }: Applicable): Deciding {
  const why = rule.reason === undefined ? {} : { why: rule.reason }
  return { policy: policy.name, namespace: policy.namespace, source: rule.source, ...why }
}

/** The first rule, and the place of its match, that speaks of the request. */
function meeting(rules: Applicable[], request: Request): Deciding | undefined {
  for (const applicable of rules) {
    const match = applicable.rule.http?.find((candidate) => httpMatches(candidate, request))
    if (match !== undefined) return { ...deciding(applicable), source: match.source }
  }
  return undefined
}

/** What was found to be no HTTP/1. A rule that denies or counts requests can't say whether it is one of them. */
function judgeUnparsed({ forbids, limits, judges }: Judging): Verdict {
  const passes = ({ policy }: Applicable) => policy.unparsed === 'pass'
  const reading: Applicable[] = [...forbids, ...limits]
  const closed = reading.find((each) => !passes(each))
  const open = judges === 'open' ? reading[0] : judges.find(passes)
  if (closed === undefined && open !== undefined)
    return { kind: 'allow', reason: 'unparsed-pass', deciding: deciding(open) }
  const [first] = closed === undefined && judges !== 'open' ? judges : [closed]
  return { kind: 'deny-l7', reason: 'unparsed-refuse', deciding: deciding(first as Applicable) }
}

/** L7 rules that apply to a connection. `judges`: one of them has to allow; 'open' = nobody has to. */
type Judging = { forbids: Applicable[]; limits: Applicable<LimitRule>[]; judges: Applicable[] | 'open' }

/** Judge one request: what denies it outweighs what allows it. */
function judge({ forbids, judges }: Omit<Judging, 'limits'>, request: Request): Verdict {
  const denied = meeting(forbids, request)
  if (denied !== undefined) return { kind: 'deny-l7', reason: 'denied-by-rule', deciding: denied }
  if (judges === 'open') return { kind: 'allow', reason: 'no-rule-denies', deciding: undefined }
  const allowed = meeting(judges, request)
  if (allowed !== undefined) return { kind: 'allow', reason: 'request-matches', deciding: allowed }
  const first = judges[0] as Applicable
  return { kind: 'deny-l7', reason: 'no-request-rule-matches', deciding: deciding(first) }
}

/**
 * Verdict of a policy set on a request of a connection. `request` is 'unparsed'
 * for TLS, HTTP/2 and other protocols (a request that breaks the canonical HTTP/1 subset never
 * gets here: it is refused before policy). Order: an L3/L4 deny rule drops; a subject
 * that no policy selects, and what an L3/L4 rule allows, passes but for requests that L7 rules
 * deny; else L7 rules judge; else drop. Throws Failure('expression-invalid') on a pattern that no
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

  const denies = applicable('deny')
  const denied = denies.find(({ rule }) => rule.http === null)
  if (denied !== undefined) return { kind: 'deny-l4', reason: 'denied-by-rule', deciding: deciding(denied) }

  const forbids = denies.filter(({ rule }) => rule.http !== null)
  const limits = limitsApplying(policies, connection)
  const judged = (judges: Judging['judges']) =>
    request === 'unparsed' ? judgeUnparsed({ forbids, limits, judges }) : judge({ forbids, judges }, request)

  const selecting = policies.find((policy) => policy.selects)
  const allows = selecting === undefined ? [] : applicable('allow')
  const absorbing = allows.find(({ rule }) => rule.http === null)
  const reads = forbids.length + limits.length > 0
  if (reads && (selecting === undefined || absorbing !== undefined)) return judged('open')
  if (selecting === undefined) return { kind: 'pass', reason: 'not-selected', deciding: undefined }
  if (absorbing !== undefined) return { kind: 'pass', reason: 'allowed-l4', deciding: deciding(absorbing) }

  const judges = allows.filter(({ rule }) => rule.http !== null)
  if (judges.length > 0) return judged(judges)

  const { name, namespace, source } = selecting
  return {
    kind: 'deny-l4',
    reason: 'no-rule-for-peer-and-port',
    deciding: { policy: name, namespace, source },
  }
}

function limitsApplying(policies: readonly Policy[], connection: Connection): Applicable<LimitRule>[] {
  return policies.flatMap((policy) =>
    (policy.limits ?? []).filter((rule) => ruleApplies(rule, connection)).map((rule) => ({ policy, rule })),
  )
}

/** A limit that a request takes from, where the request is allowed. */
export type MetLimit = { policy: string; namespace: string; rule: LimitRule }

/** Which limits speak of a request of a connection. What they say depends on the clock: limit.ts. */
export function limitsMet(set: PolicySet, connection: Connection, request: Request): MetLimit[] {
  const { subject } = connection
  if (subject === undefined) return []
  const policies = set.policies.filter((policy) => selectorMatches(policy.subject, subject))
  return limitsApplying(policies, connection)
    .filter(({ rule }) => rule.http.some((match) => httpMatches(match, request)))
    .map(({ policy: { name, namespace }, rule }) => ({ policy: name, namespace, rule }))
}

/** An audit rule that sees a request, whatever becomes of it. */
export type MetAudit = { policy: string; namespace: string; rule: AuditRule }

/**
 * Which audit rules count a request, or, of what is no HTTP/1, that it can't be read. Of a connection that is
 * dropped nothing is seen.
 */
export function auditsMet(set: PolicySet, connection: Connection, request: Request | 'unparsed'): MetAudit[] {
  const { subject } = connection
  if (subject === undefined || evaluate(set, connection, request).kind === 'deny-l4') return []
  const speaks = ({ rule }: { rule: AuditRule }) =>
    ruleApplies(rule, connection) &&
    (request === 'unparsed' || rule.http.some((match) => httpMatches(match, request)))
  return set.policies
    .filter((policy) => selectorMatches(policy.subject, subject))
    .flatMap(({ name, namespace, audits = [] }) =>
      audits.map((rule) => ({ policy: name, namespace, rule })).filter(speaks),
    )
}

/** A mirror that a request is copied by, where the request is let in. */
export type MetMirror = { policy: string; namespace: string; rule: MirrorRule }

/** Which mirrors speak of a request of a connection, each of which draws whether it is copied. */
export function mirrorsMet(set: PolicySet, connection: Connection, request: Request): MetMirror[] {
  const { subject } = connection
  if (subject === undefined || isCopy(request)) return []
  const speaks = ({ rule }: { rule: MirrorRule }) =>
    ruleApplies(rule, connection) && rule.http.some((match) => httpMatches(match, request))
  return set.policies
    .filter((policy) => selectorMatches(policy.subject, subject))
    .flatMap(({ name, namespace, mirrors = [] }) =>
      mirrors.map((rule) => ({ policy: name, namespace, rule })).filter(speaks),
    )
}
