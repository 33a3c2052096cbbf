/** Stage: load the verified artifact into a free slot. What runs is not touched. */
import { takeDispatcher } from './dispatchers.ts'
import { identify } from './identify.ts'
import type { Attempt, Node } from './node.ts'
import { prepare, settle } from './slots.ts'

export async function stage(node: Node, attempt: Attempt): Promise<void> {
  const { verified } = attempt
  if (verified === undefined) return
  const facts = await node.kernel.inspect()
  await settle(node, facts)
  await takeDispatcher(node, facts, {
    digest: verified.dispatcher,
    number: verified.release.number,
  })
  // On a fresh kernel the addresses must be there before anything is judged.
  if (facts === null) await identify(node)
  await prepare(node, verified.release, facts)
}
