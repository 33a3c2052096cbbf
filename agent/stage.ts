/** Stage: load the verified artifact into a free slot. What runs is not touched. */
import { identify } from './identify.ts'
import type { Attempt, Node } from './node.ts'
import { freeSlot, install, load, settle } from './slots.ts'

export async function stage(node: Node, attempt: Attempt): Promise<void> {
  const { verified } = attempt
  if (verified === undefined) return
  const { release, dispatcher } = verified
  const facts = await node.kernel.inspect()
  await settle(node, facts)
  const slot = await freeSlot(node, facts)
  const generation = node.state.current.nextGeneration
  // A generation number is never used twice, whatever happens after this line.
  await node.state.update({ nextGeneration: generation + 1 })
  if (facts === null || node.state.current.dispatcher?.digest !== dispatcher) await install(node, dispatcher)
  if (facts === null) await identify(node)
  const placement = { number: release.number, artifact: release.artifact, slot, generation }
  await load(node, placement)
  await node.state.update({ pending: placement })
}
