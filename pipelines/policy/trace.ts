/**
 * Every rule that a request could have met on its way in, and what was found there. The parts are
 * judged by the evaluator's own functions, and none is left out; what follows from them is its verdict.
 */
import { byteText } from '../protocols/http1-grammar.ts'
import { joinedValues, type Request } from '../protocols/http1-request.ts'
import { type Asked, askedOf, type ConditionTrace, traceCondition } from './condition-trace.ts'
import { type Connection, peersMatch, portsMatch } from './evaluate.ts'
import { EXPRESSIONS, expressionMatches, expressionSees, headerMatches } from './http-match.ts'
import { isCopy, MIRRORED, type Mirror } from './mirror.ts'
import type { HttpMatch, MirrorRule, Policy, PolicySet, Rule } from './model.ts'
import { serviceText } from './route.ts'
import { type Labelled, selectorMatches } from './selector.ts'
import { peerText, portsText, selectorText } from './selector-text.ts'
import type { Source } from './source.ts'

/** It holds when all its parts do. */
export type MatchTrace = { source: Source; parts: ConditionTrace[]; holds: boolean }

/** `applies`: to this connection, as `peers` and `ports` both hold. `why`: what the rule says of itself. */
export type RuleTrace = {
  source: Source
  action: 'allow' | 'deny' | 'limit' | 'audit' | 'mirror'
  why?: string
  /** Beyond its action. */
  does?: string
  judges: 'connections' | 'requests'
  peers: Asked
  ports: Asked
  applies: boolean
  /** null = not asked: it judges connections, does not apply, or there is no parsed request. */
  matches: MatchTrace[] | null
}

/** Where `subject` doesn't hold the policy speaks of others, and its rules are not asked. */
export type PolicyTrace = {
  policy: string
  namespace: string
  source: Source
  /** As the policy says: whether it makes default-deny, and what it does with what is no HTTP/1. */
  selects: boolean
  unparsed: Policy['unparsed']
  subject: Asked
  rules: RuleTrace[]
}

function workloadText({ namespace, labels }: Labelled): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  return `${pairs.length === 0 ? 'no labels' : pairs.join(', ')} in ${namespace}`
}

function traceMatch(match: HttpMatch, request: Request): MatchTrace {
  const parts: ConditionTrace[] = []
  for (const part of EXPRESSIONS) {
    if (match[part] === undefined) continue
    const seen = expressionSees(part, request)
    const holds = expressionMatches(match, part, request)
    parts.push(askedOf(`${part} regex ${match[part]}`, seen && byteText(seen), holds))
  }
  for (const header of match.headers) {
    const asked = `header ${header.name} ${header.value === undefined ? 'present' : `exact ${header.value}`}`
    const seen = joinedValues(request, header.name.toLowerCase())
    parts.push(askedOf(asked, seen, headerMatches(header, request)))
  }
  if (match.condition !== undefined) parts.push(traceCondition(match.condition, request))
  return { source: match.source, parts, holds: parts.every(({ holds }) => holds) }
}

function peersOf({ peers }: Rule, connection: Connection): Asked {
  const { peer, peerAddress } = connection
  const asked = peers === null ? 'everyone' : peers.map(peerText).join(' or ') || 'no one'
  const seen = peer === undefined ? peerAddress : workloadText(peer)
  return askedOf(`from ${asked}`, seen, peersMatch(peers, connection))
}

function portsOf({ ports }: Rule, connection: Connection): Asked {
  const asked = ports === null ? 'any port' : ports.map(portsText).join(' or ') || 'no port'
  const seen = `${connection.port}/${connection.protocol}`
  return askedOf(`to ${asked}`, seen, portsMatch(ports, connection))
}

/** A question to a set of policies, as evaluate() takes it. */
type Question = { connection: Connection; request: Request | 'unparsed' }

/** A copy is not copied again. */
function traceMirrored(trace: MatchTrace, request: Request): MatchTrace {
  const part = askedOf(`header ${MIRRORED} absent`, joinedValues(request, MIRRORED), !isCopy(request))
  return { ...trace, parts: [...trace.parts, part], holds: trace.holds && part.holds }
}

function mirrorText({ to, ratio }: Mirror): string {
  return `copies ${ratio / 10_000} % to ${serviceText(to)}`
}

function traceMirror(rule: MirrorRule, question: Question): RuleTrace {
  const { matches, ...traced } = traceRule(rule, 'mirror', question)
  const { request } = question
  return {
    ...traced,
    does: mirrorText(rule.mirror),
    matches:
      request === 'unparsed' ? matches : (matches?.map((match) => traceMirrored(match, request)) ?? null),
  }
}

function traceRule(rule: Rule, action: RuleTrace['action'], { connection, request }: Question): RuleTrace {
  const peers = peersOf(rule, connection)
  const ports = portsOf(rule, connection)
  const applies = peers.holds && ports.holds
  const asks = applies && request !== 'unparsed'
  return {
    source: rule.source,
    action,
    ...(rule.reason === undefined ? {} : { why: rule.reason }),
    judges: rule.http === null ? 'connections' : 'requests',
    peers,
    ports,
    applies,
    matches: asks ? (rule.http?.map((match) => traceMatch(match, request)) ?? null) : null,
  }
}

function tracePolicy(policy: Policy, question: Question): PolicyTrace {
  const { subject } = question.connection
  const { name, namespace, source, selects, unparsed } = policy
  const selected = subject !== undefined && selectorMatches(policy.subject, subject)
  const seen = subject && workloadText(subject)
  const traced = (rules: readonly Rule[], action: RuleTrace['action']) =>
    rules.map((rule) => traceRule(rule, action, question))
  return {
    ...{ policy: name, namespace, source, selects, unparsed },
    subject: askedOf(`for ${selectorText(policy.subject)}`, seen, selected),
    rules: selected
      ? [
          ...traced(policy.deny, 'deny'),
          ...traced(policy.allow, 'allow'),
          ...traced(policy.limits ?? [], 'limit'),
          ...traced(policy.audits ?? [], 'audit'),
          ...(policy.mirrors ?? []).map((rule) => traceMirror(rule, question)),
        ]
      : [],
  }
}

/**
 * All policies in the order of the set, of each the rules that deny first. Throws
 * Failure('expression-invalid') on a pattern that no front-end would have let in.
 */
export function tracePolicies(
  set: PolicySet,
  connection: Connection,
  request: Request | 'unparsed',
): PolicyTrace[] {
  return set.policies.map((policy) => tracePolicy(policy, { connection, request }))
}
