/**
 * Dispatchers come and go as generations do: a newer one takes the connections that are born
 * from then on, an older one keeps its own until they are gone. A rollback is the same
 * step, with an older file that is signed again.
 */
import { Failure } from '../pipelines/contract/failures.ts'
import { blobPath } from './cache.ts'
import type { Node } from './node.ts'
import type { AttachedFacts } from './ports.ts'
import { otherDispatcher, tagsDiffer, tagsOf } from './recognise.ts'
import type { OfferedDispatcher, State } from './state.ts'

/** Dispatchers that may drain at once: each holds a table of sockets in the kernel. */
const MAX_DRAINING = 3
/**
 * Milliseconds that a replaced dispatcher stays pinned at least. A birth that met its program in the
 * moment of the change may still be on its way into its table (a grace period of RCU: microseconds).
 */
const REST_MS = 1_000

/**
 * Let new connections meet this one. Throws Failure('no-free-slot'): a release waits for
 * old connections to drain, it cuts none off; Failure('verifier-rejected'): the old one stays.
 */
export async function takeDispatcher(
  node: Node,
  facts: AttachedFacts | null,
  signed: OfferedDispatcher,
): Promise<void> {
  const { dispatcher } = node.state.current
  if (facts !== null && dispatcher?.digest === signed.digest && facts.dispatcher === signed.digest) return
  const held = facts?.draining.filter(({ digest, sockets }) => sockets > 0 && digest !== signed.digest) ?? []
  if (held.length >= MAX_DRAINING) {
    throw new Failure('no-free-slot', `${held.length} replaced dispatchers still have connections`)
  }
  await node.state.update({ offered: signed })
  try {
    await finishTaking(node)
  } catch (error) {
    await node.state.update({ offered: null })
    throw error
  }
}

/** Goes on where a death left it; nothing to do when nothing was offered. */
export async function finishTaking(node: Node): Promise<void> {
  const { offered, dispatcher, draining } = node.state.current
  if (offered === null) return
  await installDispatcher(node, offered)
  const replaced = dispatcher === null || dispatcher.digest === offered.digest ? [] : [dispatcher]
  const since = node.clock.now()
  const others = draining.filter(({ digest }) => ![offered.digest, dispatcher?.digest].includes(digest))
  await node.state.update({
    offered: null,
    draining: [...others, ...replaced.map((each) => ({ ...each, since }))],
  })
  if (replaced.length > 0) node.log(`dispatcher ${offered.digest} takes new connections`)
}

/** Make it the one that is attached, and note what the kernel made of it. */
export async function installDispatcher(node: Node, { digest, number }: OfferedDispatcher): Promise<void> {
  await node.kernel.install(await blobPath(node.disk, digest))
  const tags = tagsOf((await node.kernel.inspect())?.hooks ?? {})
  const difference = await otherDispatcher(node, { digest, number }, tags)
  if (difference !== undefined) throw new Failure('attached-differs', difference)
  await node.state.update({ dispatcher: { digest, number, tags } })
}

/** Unpin the replaced ones whose last connection is gone. */
export async function retireDispatchers(node: Node, facts: AttachedFacts): Promise<void> {
  const { draining } = node.state.current
  const gone = new Set<string>()
  for (const { digest, sockets } of facts.draining) {
    const since = draining.find((each) => each.digest === digest)?.since ?? 0
    if (sockets > 0 || Math.abs(node.clock.now() - since) < REST_MS) continue
    await node.kernel.retire(digest)
    gone.add(digest)
    node.log(`dispatcher ${digest} has no connection left and is unpinned`)
  }
  const pinned = facts.draining.map(({ digest }) => digest).filter((digest) => !gone.has(digest))
  const left = draining.filter(({ digest }) => pinned.includes(digest))
  if (left.length !== draining.length) await node.state.update({ draining: left })
}

/** In words, how what new connections meet differs from what should be there. */
export function dispatcherDiffers(facts: AttachedFacts | null, state: State): string | undefined {
  if (facts === null) return 'no dispatcher is attached'
  const { dispatcher } = state
  if (dispatcher === null) return undefined
  if (facts.dispatcher !== dispatcher.digest)
    return `${facts.dispatcher ?? 'no dispatcher'} enrols connections, not ${dispatcher.digest}`
  return tagsDiffer(facts.hooks, dispatcher.tags)
}
