/**
 * Shadow: the artifact that the director wants to look on judges beside what is enforced. On and off is one store
 * in the kernel; before it the candidate is loaded, after it nothing needs its slot. Whatever fails here,
 * what is enforced goes on, and a candidate is never what `pending` or `enforced` name.
 */
import { readManifest } from './cache.ts'
import type { Attempt, Node } from './node.ts'
import type { AttachedFacts } from './ports.ts'
import { clear, endShadow, isActive, prepareShadow } from './slots.ts'
import type { Placement } from './state.ts'
import type { Shadow } from '../pipelines/contract/release.ts'
import type { TrustedMetadata } from './trust/metadata.ts'
import { readShadow, verifyShadow } from './trust/shadow.ts'

export async function shadow(node: Node, attempt: Attempt): Promise<void> {
  const { metadata } = attempt
  await leave(node, await node.kernel.inspect())
  // Without the store what was wanted last still is.
  const wish = metadata === undefined ? undefined : await wishOf(node, metadata)
  if (wish !== undefined && node.state.current.shadow !== null && !isSame(node.state.current.shadow, wish)) {
    await endShadow(node)
    node.log('the shadow has ended')
    await clear(node, await node.kernel.inspect())
  }
  if (metadata !== undefined && wish) await take(node, metadata, wish)
  await ask(node)
}

/** A statement that can't be believed is none: what it replaced is not wanted any more. */
async function wishOf(node: Node, metadata: TrustedMetadata): Promise<Shadow | null> {
  try {
    return await readShadow(node, metadata)
  } catch (error) {
    if (node.state.current.shadow !== null) await endShadow(node)
    throw error
  }
}

/** What is remembered and not loaded (a reboot, a death while it was) is as if it had never been. */
async function leave(node: Node, facts: AttachedFacts | null): Promise<void> {
  const { shadow: held } = node.state.current
  if (held === null) {
    // A death between note and store, or a memory that is lost: nobody is asked whom nobody remembers.
    if (facts !== null && (await node.kernel.shadow.read()) !== null) await node.kernel.shadow.end()
    return
  }
  const actual = facts?.slots.find(({ slot }) => slot === held.slot)
  const manifest = await readManifest(node.disk, held.artifact).catch(() => undefined)
  if (manifest === undefined || actual?.tablesDigest !== manifest.tables.digest) await endShadow(node)
}

async function take(node: Node, metadata: TrustedMetadata, wish: Shadow): Promise<void> {
  const facts = await node.kernel.inspect()
  const { enforced, shadow: held } = node.state.current
  // Beside nothing there is nothing to compare with.
  if (held !== null || enforced === null || facts === null || !isActive(facts, enforced)) return
  await verifyShadow(node, metadata, wish)
  const placement = await prepareShadow(node, wish, facts)
  node.log(`artifact ${wish.artifact} judges in the shadow, in slot ${placement.slot}`)
}

/** Another generation may be active by now: then it is that one which asks, and counts begin at zero. */
async function ask(node: Node): Promise<void> {
  const { enforced, shadow: held } = node.state.current
  if (held === null || enforced === null || !isActive(await node.kernel.inspect(), enforced)) return
  await node.kernel.shadow.begin(enforced.slot, held)
}

function isSame(held: Placement, wish: Shadow | null): boolean {
  return wish !== null && held.artifact === wish.artifact && held.number === wish.number
}
