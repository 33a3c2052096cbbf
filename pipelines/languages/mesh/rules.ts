/** `rules` of a policy → rules of the model. */
import type { AuditRule, LimitRule, MirrorRule, Peer, Ports, Rule } from '../../policy/model.ts'
import type { LabelSelector } from '../objects.ts'
import { prefixPeer } from '../prefixes.ts'
import type { Reader } from '../reader.ts'
import { peerSelector } from '../selectors.ts'
import type { Path } from '../source-node.ts'
import { TLS_PORTS, warnOfTls } from '../tls-ports.ts'
import { auditRuleOf } from './audits.ts'
import { limitRuleOf } from './limits.ts'
import { conditionOf } from './match.ts'
import { mirrorRuleOf } from './mirrors.ts'
import type * as schema from './schema.ts'
import { MAX_PORTS, MAX_REASON, MAX_RULES } from './schema.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: a reason is shown on terminals, and in one line
const CONTROL = /[\u0000-\u001f\u007f]/

function peerOf(reader: Reader, peer: schema.Peer, path: Path, namespace: string): Peer[] {
  const { labels, cidr, except } = peer
  if ((labels === undefined) === (cidr === undefined)) {
    const message = labels === undefined ? 'a peer that is no one' : '`labels` and `cidr` of one peer'
    const at = labels === undefined ? path : [...path, 'cidr']
    reader.refuse(at, 'schema-violation', message, 'write labels or cidr, an entry of its own for each')
    return []
  }
  if (cidr !== undefined) return prefixPeer(reader, path, { cidr, except })
  if (except !== undefined) {
    const message = '`except` without `cidr`'
    const hint = 'addresses are taken out of prefixes: leave out workloads with matchExpressions, NotIn'
    reader.refuse([...path, 'except'], 'schema-violation', message, hint)
  }
  const selector = peerSelector(reader, labels as LabelSelector, [...path, 'labels'], namespace)
  return [{ kind: 'endpoints', selector }]
}

function peersOf(reader: Reader, rule: schema.MeshRule, path: Path, namespace: string): Peer[] | null {
  if (rule.from === undefined) return null
  // An allow rule for no one is not for nothing: it makes the subject default-deny.
  if (rule.from.length === 0 && rule.action !== 'allow') {
    const { [rule.action]: what } = {
      deny: 'a denial',
      audit: 'an audit',
      limit: 'a limit',
      mirror: 'a mirror',
    }
    reader.warn(path, `${what} for no one changes nothing`, 'list peers, or remove `from` for everyone')
  }
  return rule.from.flatMap((peer, index) => peerOf(reader, peer, [...path, index], namespace))
}

function portsOf(reader: Reader, list: schema.Ports, path: Path): Ports[] {
  if (list.length > MAX_PORTS) {
    const message = `${list.length} entries of ports, more than ${MAX_PORTS}`
    reader.refuse(path, 'limit-exceeded', message, 'write ranges, or several rules')
  }
  return list.map((port, index): Ports => {
    const [first, last] = typeof port === 'number' ? [port, port] : [port.from, port.to]
    if (last < first) {
      const message = `the range ends at ${last}, in front of ${first}`
      reader.refuse([...path, index, 'to'], 'schema-violation', message, 'write the last port under to')
    }
    return { protocol: 'TCP', first, last }
  })
}

function warnOfTlsPorts(reader: Reader, ports: readonly Ports[], path: Path): void {
  for (const [index, { first, last }] of ports.entries()) {
    const port = TLS_PORTS.find((each) => first <= each && each <= last)
    if (port !== undefined) warnOfTls(reader, [...path, index], port, 'unparsed: pass under spec')
  }
}

function reasonOf(reader: Reader, reason: string, path: Path): string {
  const { length } = [...reason]
  if (length > MAX_REASON) {
    const message = `a reason of ${length} characters, more than ${MAX_REASON}`
    reader.refuse(path, 'limit-exceeded', message, 'say it shorter, and the rest in a comment')
  }
  if (CONTROL.test(reason)) {
    const message = 'a reason with control characters'
    reader.refuse(path, 'schema-violation', message, 'write it in one line')
  }
  return reason
}

function ruleOf(reader: Reader, rule: schema.MeshRule, path: Path, namespace: string): Rule {
  const ports = rule.ports === undefined ? null : portsOf(reader, rule.ports, [...path, 'ports'])
  const at = [...path, 'match']
  if (rule.match !== undefined) {
    if (ports === null) {
      const message = 'a match without ports'
      reader.refuse(at, 'schema-violation', message, 'list the ports that speak HTTP, like ports: [80]')
    } else if (rule.action !== 'audit') warnOfTlsPorts(reader, ports, [...path, 'ports'])
  }
  const http =
    rule.match === undefined
      ? null
      : [{ source: reader.place(at), headers: [], condition: conditionOf(reader, at, rule.match) }]
  return {
    source: reader.place(path),
    peers: peersOf(reader, rule, [...path, 'from'], namespace),
    ports,
    http,
    ...(rule.reason === undefined ? {} : { reason: reasonOf(reader, rule.reason, [...path, 'reason']) }),
  }
}

/** A rule's name is for people, who would take the one for the other. */
function checkNames(reader: Reader, rules: readonly schema.MeshRule[], path: Path): void {
  const seen = new Set<string>()
  for (const [index, { name }] of rules.entries()) {
    if (name === undefined) continue
    if (seen.has(name)) {
      const message = `a second rule with the name \`${name}\``
      reader.refuse([...path, index, 'name'], 'schema-violation', message, 'give it another name')
    }
    seen.add(name)
  }
}

export type Rules = {
  allow: Rule[]
  deny: Rule[]
  limits: LimitRule[]
  audits: AuditRule[]
  mirrors: MirrorRule[]
}

export function rulesOf(reader: Reader, rules: readonly schema.MeshRule[], namespace: string): Rules {
  const path = ['spec', 'rules']
  if (rules.length > MAX_RULES) {
    const message = `${rules.length} rules in one policy, more than ${MAX_RULES}`
    reader.refuse(path, 'limit-exceeded', message, 'write several policies of one subject')
    return { allow: [], deny: [], limits: [], audits: [], mirrors: [] }
  }
  checkNames(reader, rules, path)
  const read = rules.map((written, index) => {
    const at = [...path, index]
    return { written, at, rule: ruleOf(reader, written, at, namespace) }
  })
  const of = (wanted: 'allow' | 'deny') =>
    read.filter(({ written }) => written.action === wanted).map(({ rule }) => rule)
  const limits = read.flatMap(({ written, at, rule }) => limitRuleOf(reader, written, at, rule))
  const audits = read.flatMap(({ written, at, rule }) => auditRuleOf(reader, written, at, rule))
  const mirrors = read.flatMap((each) => mirrorRuleOf(reader, each, namespace))
  return { allow: of('allow'), deny: of('deny'), limits, audits, mirrors }
}
