/**
 * What opens and what closes. For each subject, peer and port that a changed policy names, the
 * reference evaluator is asked before and after, with one witness: a workload that has just the
 * labels that the selectors ask for. So an effect is true of its witness; a workload with more
 * labels may be spoken of by other policies too, and nothing is said about what no changed policy names.
 */
import { everyRule } from './every-rule.ts'
import { z } from 'zod'
import { type Connection, evaluate, ruleApplies } from './evaluate.ts'
import type { HttpMatch, Peer, Policy, PolicySet, Ports, Rule, Selector } from './model.ts'
import { type Labelled, NAMESPACE_LABEL, selectorMatches } from './selector.ts'
import { peerText, portsText, selectorText } from './selector-text.ts'

/** Questions of one plan: two evaluations each, over all policies. */
const MAX_PROBES = 512
/** Requests named in one effect, each way. */
const MAX_REQUESTS = 20
/** TEST-NET-1 (RFC 5737): an address that stands for the world. */
const WORLD = '192.0.2.1'

/** open: every byte passes. requests: some requests pass. closed: no connection. */
const Reach = z.enum(['open', 'requests', 'closed'])
type Reach = z.infer<typeof Reach>

export const Effect = z.strictObject({
  subject: z.string(),
  peer: z.string(),
  port: z.string(),
  before: Reach,
  after: Reach,
  /** Requests that are let in now and were not named before, and the other way round. */
  opened: z.array(z.string()),
  closed: z.array(z.string()),
})
export type Effect = z.infer<typeof Effect>

type Probe = { subject: string; peer: string; port: string; connection: Connection }
type End = { text: string; labelled: Labelled | undefined; address: string }

/** Every effect on what `changed` policies name, before and after. */
export function effectsOf(
  before: PolicySet,
  after: PolicySet,
  changed: readonly Policy[],
): { effects: Effect[]; skipped: number } {
  const probes = new Map<string, Probe>()
  const free = freePort(changed)
  for (const policy of changed) {
    for (const probe of probesOf(policy, free)) {
      probes.set(JSON.stringify([probe.subject, probe.peer, probe.port]), probe)
    }
  }
  const asked = [...probes.values()].slice(0, MAX_PROBES)
  const effects = asked.map((probe) => effectOf(before, after, probe)).filter((each) => each !== undefined)
  return { effects, skipped: probes.size - asked.length }
}

function effectOf(before: PolicySet, after: PolicySet, probe: Probe): Effect | undefined {
  const { connection, ...names } = probe
  const [was, is] = [reachOf(before, connection), reachOf(after, connection)]
  const [had, has] = [requestsOf(before, connection, was), requestsOf(after, connection, is)]
  // Where everything passes on one side, what is named on the other is no addition to it.
  const opened = was === 'open' ? [] : has.filter((request) => !had.includes(request))
  const closed = is === 'open' ? [] : had.filter((request) => !has.includes(request))
  if (was === is && opened.length === 0 && closed.length === 0) return undefined
  const some = (requests: string[]) => requests.slice(0, MAX_REQUESTS)
  return { ...names, before: was, after: is, opened: some(opened), closed: some(closed) }
}

function reachOf(set: PolicySet, connection: Connection): Reach {
  const { kind, reason } = evaluate(set, connection, 'unparsed')
  if (kind === 'pass' || reason === 'unparsed-pass') return 'open'
  return kind === 'deny-l4' ? 'closed' : 'requests'
}

function requestsOf(set: PolicySet, connection: Connection, reach: Reach): string[] {
  const { subject } = connection
  if (reach !== 'requests' || subject === undefined) return []
  const rules = set.policies
    .filter((policy) => selectorMatches(policy.subject, subject))
    .flatMap(({ allow }) => allow)
    .filter((rule) => ruleApplies(rule, connection))
  return [...new Set(rules.flatMap(({ http }) => http ?? []).map(requestText))].sort()
}

function requestText({ method, path, host, headers }: HttpMatch): string {
  const named = headers.map(({ name, value }) => (value === undefined ? name : `${name}: ${value}`))
  const parts = [
    method ?? 'any method',
    path ?? 'any path',
    host === undefined ? '' : `host ${host}`,
    ...named,
  ]
  return parts.filter((part) => part !== '').join(' ')
}

/** Each subject × peer × port of its rules, and strangers, who meet the default that a policy brings. */
function* probesOf(policy: Policy, free: number): Generator<Probe> {
  const subject = witnessOf(policy.subject)
  if (subject === undefined) return
  const about = (peer: End, { text, port, protocol }: ReturnType<typeof portOf>): Probe => ({
    subject: selectorText(policy.subject),
    peer: peer.text,
    port: text,
    connection: { subject, peer: peer.labelled, peerAddress: peer.address, port, protocol },
  })
  yield about({ text: 'anyone else', labelled: undefined, address: WORLD }, portOf(null, free))
  for (const rule of everyRule(policy)) {
    for (const peer of peersOf(rule)) {
      for (const port of rule.ports ?? [null]) yield about(peer, portOf(port, free))
    }
  }
}

function portOf(ports: Ports | null, free: number) {
  if (ports === null) return { text: 'any other port', port: free, protocol: 'TCP' as const }
  const { protocol, first } = ports
  return {
    text: portsText(ports),
    port: first,
    protocol: protocol === 'ANY' ? ('TCP' as const) : protocol,
  }
}

/** A port that no rule of these policies names. */
function freePort(policies: readonly Policy[]): number {
  const named = policies.flatMap(everyRule).flatMap(({ ports }) => ports ?? [])
  let port = 1
  while (port < 65535 && named.some(({ first, last }) => first <= port && port <= last)) port++
  return port
}

function peersOf({ peers }: Rule): End[] {
  if (peers === null) return [{ text: 'everyone', labelled: undefined, address: WORLD }]
  return peers.map(peerOf).filter((end) => end !== undefined)
}

function peerOf(peer: Peer): End | undefined {
  if (peer.kind === 'endpoints') {
    const labelled = witnessOf(peer.selector)
    return labelled && { text: peerText(peer), labelled, address: WORLD }
  }
  const [address = ''] = peer.cidr.split('/')
  return { text: peerText(peer), labelled: undefined, address }
}

/** A workload with the labels that the selector asks for and no others; undefined = it asks for too much. */
function witnessOf(selector: Selector): Labelled | undefined {
  const labels: Record<string, string> = {}
  let namespace = selector.namespaces?.[0] ?? 'default'
  for (const { key, operator, values } of selector.requirements) {
    const value = operator === 'In' ? values[0] : operator === 'Exists' ? 'any' : undefined
    if (value === undefined) continue
    if (key === NAMESPACE_LABEL && operator === 'In') namespace = value
    else labels[key] = operator === 'In' ? value : (labels[key] ?? value)
  }
  const witness = { namespace, labels }
  return selectorMatches(selector, witness) ? witness : undefined
}
