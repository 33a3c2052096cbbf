/** Stage: load the verified artifact into a free slot. What runs is not touched. */
import { identify } from './identify.ts'
import type { Attempt, Node } from './node.ts'
import { install, prepare, settle } from './slots.ts'

export async function stage(node: Node, attempt: Attempt): Promise<void> {
  const { verified } = attempt
  if (verified === undefined) return
  const facts = await node.kernel.inspect()
  await settle(node, facts)
  const { dispatcher, offered } = node.state.current
  const signed = { digest: verified.dispatcher, number: verified.release.number }
  if (facts === null || dispatcher === null) await install(node, signed)
  else if (dispatcher.digest !== signed.digest && offered?.digest !== signed.digest) {
    await node.state.update({ offered: signed })
  }
  // On a fresh kernel the addresses must be there before anything is judged.
  if (facts === null) await identify(node)
  await prepare(node, verified.release, facts)
}
