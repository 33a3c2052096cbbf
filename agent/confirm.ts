/**
 * Confirm: ask the kernel itself what is attached, compare it with what should
 * run, and repair it from the cache. Needs no network; after a reboot this is
 * what brings the last verified generation back.
 */
import { Failure } from '../pipelines/contract/failures.ts'
import { readManifest } from './cache.ts'
import { dispatcherDiffers, finishTaking, installDispatcher } from './dispatchers.ts'
import { identify } from './identify.ts'
import type { Attempt, Node } from './node.ts'
import type { AttachedFacts } from './ports.ts'
import { tagsOf } from './recognise.ts'
import { publishServices } from './services.ts'
import { activate, clear, isActive, prepare, settle } from './slots.ts'

export async function confirm(node: Node, attempt: Attempt): Promise<void> {
  const facts = await node.kernel.inspect()
  await settle(node, facts)
  const found = await differences(node, facts)
  if (found.length > 0) {
    await repair(node, facts)
    attempt.failures.push({
      step: 'confirm',
      failure: new Failure('attached-differs', `repaired: ${found.join('; ')}`),
    })
  }
  await clear(node, found.length > 0 ? await node.kernel.inspect() : facts)
}

/** At start, before anything is contacted: the last verified generation runs again. */
export async function restore(node: Node): Promise<void> {
  await resumeTaking(node)
  const facts = await node.kernel.inspect()
  await settle(node, facts)
  const found = await differences(node, facts)
  if (found.length > 0) {
    node.log(`restoring: ${found.join('; ')}`)
    await repair(node, facts)
  }
  await identify(node)
  await publishServices(node)
}

/** A death while a dispatcher took another's place: the change is finished, or taken back by the repair. */
async function resumeTaking(node: Node): Promise<void> {
  await finishTaking(node).catch(async (error: unknown) => {
    node.log(`the dispatcher that was to take over does not: ${error}`)
    await node.state.update({ offered: null })
  })
}

/**
 * What runs wrongly is not mended in place, where traffic could meet half of
 * it: the same artifact is loaded into a free slot and flipped to.
 */
async function repair(node: Node, facts: AttachedFacts | null): Promise<void> {
  const { enforced, dispatcher } = node.state.current
  if (dispatcher === null) return
  node.published = null
  if (dispatcherDiffers(facts, node.state.current) !== undefined) await installDispatcher(node, dispatcher)
  await identify(node)
  if (enforced === null) return
  if ((await slotDiffers(node, facts)) !== undefined) {
    await activate(node, await prepare(node, enforced, facts))
  } else {
    await node.kernel.flip(enforced.slot, enforced.generation)
  }
  const left = await differences(node, await node.kernel.inspect())
  if (left.length > 0) throw new Failure('attached-differs', left.join('; '))
}

/** In words, what the kernel says that differs from what should run. */
async function differences(node: Node, facts: AttachedFacts | null): Promise<string[]> {
  const { enforced, dispatcher } = node.state.current
  // No memory of what ran, but of a dispatcher: attached without a generation it closes what is managed.
  if (enforced === null) return dispatcher !== null && facts === null ? ['no dispatcher is attached'] : []
  const active = isActive(facts, enforced)
    ? undefined
    : `active is ${describe(facts)}, not slot ${enforced.slot} generation ${enforced.generation}`
  const found = [dispatcherDiffers(facts, node.state.current), await slotDiffers(node, facts), active]
  return found.filter((text) => text !== undefined)
}

async function slotDiffers(node: Node, facts: AttachedFacts | null): Promise<string | undefined> {
  const { enforced, slots } = node.state.current
  if (enforced === null) return undefined
  const actual = facts?.slots.find(({ slot }) => slot === enforced.slot)
  if (actual === undefined) return `slot ${enforced.slot} is empty`
  const manifest = await readManifest(node.disk, enforced.artifact)
  if (actual.tablesDigest !== manifest.tables.digest) {
    return `slot ${enforced.slot} reads tables ${actual.tablesDigest}, not ${manifest.tables.digest}`
  }
  const tags = tagsOf(actual.programs)
  for (const [program, tag] of Object.entries(slots[enforced.slot]?.tags ?? {})) {
    if (tags[program] !== tag)
      return `program ${program} in slot ${enforced.slot} is ${tags[program] ?? 'gone'}`
  }
  return undefined
}

function describe(facts: AttachedFacts | null): string {
  return facts?.active ? `slot ${facts.active.slot} generation ${facts.active.generation}` : 'nothing'
}
