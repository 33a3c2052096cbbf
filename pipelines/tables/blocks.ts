/** Policies → blocks: what has the same subject, peers, ports and kind is one block. */
import type { Block } from '../contract/artifact.ts'
import { Failure } from '../contract/failures.ts'
import type { HttpMatch, Peer, Policy, PolicySet, Ports, Rule } from '../policy/model.ts'
import type { Source } from '../policy/source.ts'
import { MAX_BLOCKS } from './layout.ts'

export type Cidr = Extract<Peer, { kind: 'cidr' }>

/** A block with what the tables (not the agent) decide about it. */
export type FullBlock = Block & {
  readonly ports: readonly Ports[] | null
  readonly cidrs: readonly Cidr[]
  readonly http: HttpMatch[]
  /** An L7 block that lets through what is no HTTP/1. */
  readonly opaque: boolean
  readonly source: Source
}

type Parts = Omit<FullBlock, 'http'>

export function at({ file, line, column }: Source): string {
  return `${file}:${line}:${column}`
}

function parts(policy: Policy, rule: Rule, kind: Block['kind']): Parts {
  const { peers, ports, source } = rule
  return {
    kind,
    subject: policy.subject,
    peers: peers?.flatMap((peer) => (peer.kind === 'endpoints' ? [peer.selector] : [])) ?? null,
    cidrs: (peers ?? []).filter((peer) => peer.kind === 'cidr'),
    ports,
    opaque: kind === 'judge' && policy.unparsed === 'pass',
    source,
  }
}

function selecting({ subject, source }: Policy): Parts {
  return { kind: 'select', subject, peers: [], cidrs: [], ports: null, opaque: false, source }
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
    for (const rule of policy.deny) if (rule.peers?.length !== 0) add(parts(policy, rule, 'deny'), [])
    for (const rule of policy.allow) {
      if (rule.peers?.length === 0) continue
      add(parts(policy, rule, rule.http === null ? 'allow' : 'judge'), rule.http ?? [])
    }
  }
  const list = [...blocks.values()]
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
