/** Which slot holds what; loading one, settling what a crash left open, clearing old ones. */
import { Limit } from '../bpf/abi/heddle.gen.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import { serviceKey } from '../pipelines/services/model.ts'
import { blobPath, prune, readManifest } from './cache.ts'
import { retireDispatchers } from './dispatchers.ts'
import { rowsFor } from './identities.ts'
import type { Node } from './node.ts'
import type { AttachedFacts } from './ports.ts'
import { adoptedDispatchers, lostWithout, tagsOf } from './recognise.ts'
import { hasRoutes, routeContent } from './routes.ts'
import { serviceNumbers } from './services.ts'
import type { Placement } from './state.ts'

/**
 * A slot that nothing needs: not active, not the predecessor, no connection in
 * mid-message. Throws Failure('no-free-slot'): a release waits, it never evicts, but for
 * a shadow: what is to be enforced comes before what looks on.
 */
async function freeSlot(node: Node, facts: AttachedFacts | null): Promise<number> {
  const taken = await neededSlots(node, facts)
  for (let slot = 0; slot < Limit.SLOTS; slot++) if (!taken.has(slot)) return slot
  const { shadow } = node.state.current
  if (shadow !== null) {
    await endShadow(node)
    node.log(`the shadow of release ${shadow.number} gives its slot to a release`)
    return freeSlot(node, facts)
  }
  throw new Failure('no-free-slot', `all ${Limit.SLOTS} slots hold a generation that is still needed`)
}

/** Nobody asks the candidate any more, then nothing needs its slot. */
export async function endShadow(node: Node): Promise<void> {
  await node.kernel.shadow.end()
  const { shadow, slots } = node.state.current
  const others = Object.entries(slots).filter(([slot]) => Number(slot) !== shadow?.slot)
  await node.state.update({ shadow: null, slots: Object.fromEntries(others) })
}

/** Load an artifact's ELF into its slot and note what the kernel made of it. */
async function load(node: Node, placement: Placement): Promise<void> {
  const { artifact, slot, generation } = placement
  const manifest = await readManifest(node.disk, artifact)
  const elf = await blobPath(node.disk, manifest.elf.digest)
  // A shadow routes nothing, and connections past the relay end where somebody's routes come.
  const routed = hasRoutes(manifest) && slot !== node.state.current.shadow?.slot
  // All that its routes send to has a number before they name it, also what is no service here yet.
  if (routed) await serviceNumbers(node, manifest.services.map(serviceKey))
  const routes = routeContent(node, manifest)
  await node.kernel.stage(slot, elf, rowsFor(manifest.blocks, node.state.current.identities))
  if (routed) await node.kernel.setRoutes(slot, routes)
  const facts = await node.kernel.inspect()
  const staged = facts?.slots.find((candidate) => candidate.slot === slot)
  if (staged?.tablesDigest !== manifest.tables.digest) {
    throw new Failure(
      'attached-differs',
      `slot ${slot} reads ${staged?.tablesDigest ?? 'nothing'} after loading`,
    )
  }
  const tags = tagsOf(staged.programs)
  await node.state.update({
    slots: { ...node.state.current.slots, [slot]: { artifact, generation, tags } },
  })
}

/**
 * Where the artifact still stands in the kernel: active, or pinned as the predecessor. A rollback is
 * one store then, with nothing to load. Only where the kernel says that tables and programs are whole.
 */
async function pinnedSlot(
  node: Node,
  { number, artifact }: Pick<Placement, 'number' | 'artifact'>,
  facts: AttachedFacts | null,
): Promise<number | undefined> {
  const { enforced, predecessor, slots } = node.state.current
  const held = [enforced, predecessor].find((placement) => placement?.artifact === artifact)
  const known = held && slots[held.slot]
  const actual = facts?.slots.find(({ slot }) => slot === held?.slot)
  if (held == null || known?.artifact !== artifact || actual === undefined) return undefined
  // The same release once more is a repair: what is there is not to be believed.
  if (number === enforced?.number) return undefined
  const { tables } = await readManifest(node.disk, artifact)
  if (actual.tablesDigest !== tables.digest) return undefined
  const tags = tagsOf(actual.programs)
  const whole = Object.entries(known.tags).every(([program, tag]) => tags[program] === tag)
  return whole ? held.slot : undefined
}

/** Load an artifact into a free slot, under a generation number that was never used before. */
export async function prepare(
  node: Node,
  run: Pick<Placement, 'number' | 'artifact'>,
  facts: AttachedFacts | null,
): Promise<Placement> {
  const pinned = await pinnedSlot(node, run, facts)
  const slot = pinned ?? (await freeSlot(node, facts))
  const generation = node.state.current.nextGeneration
  await node.state.update({ nextGeneration: generation + 1 })
  const placement = { number: run.number, artifact: run.artifact, slot, generation }
  if (pinned === undefined) await load(node, placement)
  await node.state.update({ pending: placement })
  return placement
}

/** Load an artifact to judge beside what runs. Noted before it is there: a death leaves no slot that nobody knows. */
export async function prepareShadow(
  node: Node,
  run: Pick<Placement, 'number' | 'artifact'>,
  facts: AttachedFacts,
): Promise<Placement> {
  const slot = await freeSlot(node, facts)
  const generation = node.state.current.nextGeneration
  const placement = { number: run.number, artifact: run.artifact, slot, generation }
  await node.state.update({ nextGeneration: generation + 1, shadow: placement })
  try {
    await load(node, placement)
  } catch (error) {
    await endShadow(node)
    throw error
  }
  return placement
}

/** The one store that makes a prepared placement active; microseconds that it took. */
export async function activate(node: Node, placement: Placement): Promise<number> {
  const micros = await node.kernel.flip(placement.slot, placement.generation)
  await commit(node)
  return micros
}

/** The kernel has made `pending` active: so it is. Old or new, never neither. */
async function commit(node: Node): Promise<void> {
  const { pending, enforced, predecessor } = node.state.current
  // A repair, or another release of the same artifact: what was there before is still its predecessor.
  const same = pending?.artifact === enforced?.artifact
  await node.state.update({
    enforced: pending,
    predecessor: same ? predecessor : enforced,
    pending: null,
  })
}

/**
 * An active generation that this node has no memory of: it goes on enforcing,
 * but its rows know identities by numbers that are lost, so nothing of it is
 * changed, and the first generation that is remembered again takes its place.
 */
export function isForeign(node: Node, facts: AttachedFacts | null): boolean {
  const { enforced, slots } = node.state.current
  return enforced === null && facts?.active != null && slots[facts.active.slot] === undefined
}

/** A crash around the flip leaves `pending`: the kernel says whether the flip happened. */
export async function settle(node: Node, facts: AttachedFacts | null): Promise<void> {
  await adopt(node, facts)
  const { pending } = node.state.current
  if (pending === null) return
  if (isActive(facts, pending)) await commit(node)
  else await node.state.update({ pending: null })
}

/** After a lost memory: no generation number twice, and the dispatcher is the one that the kernel names. */
async function adopt(node: Node, facts: AttachedFacts | null): Promise<void> {
  const { enforced, dispatcher, nextGeneration } = node.state.current
  if (enforced !== null) return
  const highest = facts?.active?.generation ?? 0
  if (highest >= nextGeneration) await node.state.update({ nextGeneration: highest + 1 })
  node.lost = lostWithout(node, facts)
  if (facts === null || dispatcher === null || Object.keys(dispatcher.tags).length > 0) return
  await node.state.update(await adoptedDispatchers(node, facts))
}

export function isActive(facts: AttachedFacts | null, placement: Placement): boolean {
  return facts?.active?.slot === placement.slot && facts.active.generation === placement.generation
}

/** Unload what nothing needs any more, and forget its bytes. */
export async function clear(node: Node, facts: AttachedFacts | null): Promise<void> {
  if (facts === null || node.state.current.enforced === null) return
  const needed = await neededSlots(node, facts)
  for (const { slot } of facts.slots) if (!needed.has(slot)) await node.kernel.unstage(slot)
  await retireDispatchers(node, facts)
  const { slots, enforced, predecessor, dispatcher, offered, draining, accepted } = node.state.current
  const left = Object.fromEntries(Object.entries(slots).filter(([slot]) => needed.has(Number(slot))))
  if (Object.keys(left).length !== Object.keys(slots).length) await node.state.update({ slots: left })
  const placements = [enforced, predecessor].filter((placement) => placement !== null)
  const dispatchers = [dispatcher, offered, ...draining].filter((each) => each !== null)
  // What is accepted but not enforced yet is not here: it is pulled and verified again.
  if (accepted !== null && accepted.number !== enforced?.number) return
  await prune(node.disk, {
    artifacts: [...placements, ...Object.values(left)].map(({ artifact }) => artifact),
    dispatchers: dispatchers.map(({ digest }) => digest),
    releases: [...placements, ...dispatchers].map(({ number }) => number),
  })
}

async function neededSlots(node: Node, facts: AttachedFacts | null): Promise<Set<number>> {
  const { enforced, predecessor, pending, shadow } = node.state.current
  const needed = new Set(facts === null ? [] : await node.kernel.busySlots())
  if (facts?.active) needed.add(facts.active.slot)
  for (const placement of [enforced, predecessor, pending, shadow]) if (placement) needed.add(placement.slot)
  return needed
}
