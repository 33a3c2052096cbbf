/** Policies → blocks: what has the same subject, peers, ports and kind is one block. */
import type { Block } from '../contract/artifact.ts'
import { Failure } from '../contract/failures.ts'
import { auditId, type NamedRule } from '../policy/audit.ts'
import { type Limit, limitId } from '../policy/limit.ts'
import type { Mirror } from '../policy/mirror.ts'
import type { HttpMatch, Peer, Policy, PolicySet, Ports, Rule } from '../policy/model.ts'
import type { Source } from '../policy/source.ts'
import { MAX_BLOCKS, MAX_OBSERVERS } from './layout.ts'

export type Cidr = Extract<Peer, { kind: 'cidr' }>

/** A block with what the tables (not the agent) decide about it. */
export type FullBlock = Omit<Block, 'kind'> & {
  /** Agents need no more than that a rule judges: what is no kind of theirs is 'judge' in the manifest. */
  readonly kind: Block['kind'] | 'limit' | 'audit' | 'mirror' | 'forbid' | 'open'
  /** Of kind `limit`. */
  readonly limit?: KnownLimit
  /** Of kind `audit`. */
  readonly audit?: KnownAudit
  /** Of kind `mirror`. */
  readonly mirror?: Mirror
  readonly ports: readonly Ports[] | null
  readonly cidrs: readonly Cidr[]
  readonly http: HttpMatch[]
  /** An L7 block that lets through what is no HTTP/1. */
  readonly opaque: boolean
  readonly source: Source
}

/** `id` as text: JSON has no integers of 64 bits. */
export type KnownLimit = { readonly id: string; readonly limit: Limit }
export type KnownAudit = NamedRule & { readonly id: string }

type Parts = Omit<FullBlock, 'http'>

export function at({ file, line, column }: Source): string {
  return `${file}:${line}:${column}`
}

function parts(policy: Policy, rule: Rule, kind: FullBlock['kind']): Parts {
  const { peers, ports, source } = rule
  return {
    kind,
    subject: policy.subject,
    peers: peers?.flatMap((peer) => (peer.kind === 'endpoints' ? [peer.selector] : [])) ?? null,
    cidrs: (peers ?? []).filter((peer) => peer.kind === 'cidr'),
    ports,
    opaque: !['deny', 'allow', 'audit', 'mirror'].includes(kind) && policy.unparsed === 'pass',
    source,
  }
}

function selecting({ subject, source }: Policy): Parts {
  return { kind: 'select', subject, peers: [], cidrs: [], ports: null, opaque: false, source }
}

/**
 * Allows every request of a connection that rules only deny requests of; nobody's block, the kernel
 * adds it. Its match is every request's.
 */
function openTo({ source }: Parts): FullBlock {
  const nobody = { subject: { namespaces: [], requirements: [] }, peers: [], cidrs: [], ports: null }
  return { kind: 'open', ...nobody, opaque: false, source, http: [{ source, headers: [] }] }
}

/** Sees what it matches; neither allows nor forbids. */
export const observes = (kind: FullBlock['kind']): boolean =>
  kind === 'limit' || kind === 'audit' || kind === 'mirror'

/**
 * Limits come first, then others that see requests, then those that forbid: their numbers are what the
 * kernel knows them by. Behind them stands the open one.
 */
function inOrder(blocks: readonly FullBlock[]): FullBlock[] {
  const of = (wanted: FullBlock['kind']) => blocks.filter(({ kind }) => kind === wanted)
  const observers = [...of('limit'), ...of('audit'), ...of('mirror')]
  const beyond = observers[MAX_OBSERVERS]
  if (beyond) {
    const message = `${at(beyond.source)}: ${observers.length} rules that limit, audit or mirror; one artifact holds ${MAX_OBSERVERS}`
    throw new Failure('limit-exceeded', message)
  }
  const reading = [...observers, ...of('forbid')]
  const [first] = reading
  if (first === undefined) return [...blocks]
  return [...reading, openTo(first), ...blocks.filter((block) => !reading.includes(block))]
}

/** Throws Failure('limit-exceeded') above HEDDLE_MAX_BLOCKS. */
export function blocksOf(set: PolicySet): FullBlock[] {
  const blocks = new Map<string, FullBlock>()
  const add = (block: Parts, http: readonly HttpMatch[]): void => {
    const { source, ...key } = block
    const id = JSON.stringify(key)
    const known = blocks.get(id) ?? { ...block, http: [] }
    known.http.push(...http)
    blocks.set(id, known)
  }
  for (const policy of set.policies) {
    if (policy.selects) add(selecting(policy), [])
    for (const rule of policy.deny) {
      if (rule.peers?.length === 0) continue
      add(parts(policy, rule, rule.http === null ? 'deny' : 'forbid'), rule.http ?? [])
    }
    for (const { limit, name, ...rule } of policy.limits ?? []) {
      if (rule.peers?.length === 0) continue
      const id = limitId({ namespace: policy.namespace, policy: policy.name, rule: name }, limit)
      add({ ...parts(policy, rule, 'limit'), limit: { id: String(id), limit } }, rule.http)
    }
    for (const { name, ...rule } of policy.audits ?? []) {
      if (rule.peers?.length === 0) continue
      const named = { namespace: policy.namespace, policy: policy.name, rule: name }
      const audit = { id: String(auditId(named)), ...named }
      add({ ...parts(policy, rule, 'audit'), audit }, rule.http)
    }
    for (const { mirror, ...rule } of policy.mirrors ?? []) {
      if (rule.peers?.length === 0) continue
      add({ ...parts(policy, rule, 'mirror'), mirror }, rule.http)
    }
    for (const rule of policy.allow) {
      if (rule.peers?.length === 0) continue
      add(parts(policy, rule, rule.http === null ? 'allow' : 'judge'), rule.http ?? [])
    }
  }
  const list = inOrder([...blocks.values()])
  const beyond = list[MAX_BLOCKS]
  if (beyond) {
    throw new Failure(
      'limit-exceeded',
      `${at(beyond.source)}: ${list.length} different combinations of subject, peers and ports; ` +
        `one artifact holds ${MAX_BLOCKS}`,
    )
  }
  return list
}
