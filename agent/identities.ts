/** Label sets get numbers, addresses get label sets, blocks become rows. Pure. */
import { Limit } from '../bpf/abi/heddle.gen.ts'
import type { Block } from '../pipelines/contract/artifact.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import type { Workload } from '../pipelines/policy/model.ts'
import { selectorMatches } from '../pipelines/policy/selector.ts'
import type { AddressIdentity, IdentityRows } from './ports.ts'
import type { IdentityEntry } from './state.ts'

export type Assignment = { identities: IdentityEntry[]; addresses: AddressIdentity[] }

/**
 * Numbers for the label sets of `workloads`. A label set keeps its number. A
 * number that an address in the kernel may still name (`published`) keeps its
 * meaning until that address is gone: delete before reuse.
 * Throws Failure('limit-exceeded' | 'schema-violation').
 */
export function assign(
  known: { identities: IdentityEntry[]; published: number[] },
  workloads: Workload[],
): Assignment {
  const wanted = new Map(workloads.map((workload) => [labelSet(workload), workload]))
  const published = new Set(known.published)
  const kept = known.identities.filter((entry) => wanted.has(labelSet(entry)) || published.has(entry.number))
  const numbers = new Map(kept.map((entry) => [labelSet(entry), entry.number]))
  const taken = new Set(kept.map((entry) => entry.number))
  const identities = [...kept]
  let next = 1
  for (const [key, { namespace, labels }] of wanted) {
    if (numbers.has(key)) continue
    while (taken.has(next)) next++
    if (next >= Limit.MAX_IDENTITIES) {
      throw new Failure(
        'limit-exceeded',
        `more than ${Limit.MAX_IDENTITIES - 1} distinct label sets on one node`,
      )
    }
    taken.add(next)
    numbers.set(key, next)
    identities.push({ number: next, namespace, labels })
  }
  return { identities, addresses: addressesOf(workloads, numbers) }
}

/** Rows of every known identity for one generation's blocks. */
export function rowsFor(blocks: Block[], identities: IdentityEntry[]): IdentityRows[] {
  return identities.map((entry) => ({
    identity: entry.number,
    subject: row(blocks, (block) => selectorMatches(block.subject, entry)),
    peer: row(
      blocks,
      (block) => block.peers === null || block.peers.some((peer) => selectorMatches(peer, entry)),
    ),
  }))
}

/** One spelling for a label set, whatever the order of its labels. */
function labelSet({ namespace, labels }: Pick<Workload, 'namespace' | 'labels'>): string {
  return JSON.stringify([namespace, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))])
}

function addressesOf(workloads: Workload[], numbers: Map<string, number>): AddressIdentity[] {
  const owner = new Map<string, number>()
  for (const workload of workloads) {
    const identity = numbers.get(labelSet(workload)) ?? 0
    for (const address of workload.addresses) {
      // Two owners would make an address mean whichever was written last.
      if (owner.has(address)) throw new Failure('schema-violation', `${address} belongs to two workloads`)
      owner.set(address, identity)
    }
  }
  if (owner.size > Limit.MAX_ADDRESSES) {
    throw new Failure('limit-exceeded', `${owner.size} addresses; the limit is ${Limit.MAX_ADDRESSES}`)
  }
  return [...owner].map(([address, identity]) => ({ address, identity }))
}

function row(blocks: Block[], holds: (block: Block) => boolean): bigint[] {
  const words = new Array<bigint>(Limit.ROW_U64).fill(0n)
  for (const [index, block] of blocks.entries()) {
    const word = index >> 6
    if (holds(block)) words[word] = (words[word] ?? 0n) | (1n << BigInt(index & 63))
  }
  return words
}
