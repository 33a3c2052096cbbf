/** Swap: one store in the kernel makes the staged generation the active one. */
import { makeRoom } from './audits.ts'
import type { Attempt, Node } from './node.ts'
import { identify } from './identify.ts'
import { activate, isForeign } from './slots.ts'

export async function swap(node: Node, attempt: Attempt): Promise<void> {
  const { pending } = node.state.current
  if (attempt.verified === undefined || pending === null) return
  if (node.state.current.enforced === null) await takeOver(node)
  const micros = await activate(node, pending)
  attempt.timings['flip'] = micros / 1000
  attempt.swapped = true
  // What is enforced is, whatever becomes of counts.
  await makeRoom(node).catch((error: unknown) => node.log(`no room was made for audits: ${error}`))
}

/**
 * What runs was staged by a memory that is lost: rows of the old numbers and
 * addresses of the new ones must not meet, so it is closed until the flip.
 */
async function takeOver(node: Node): Promise<void> {
  if (!isForeign(node, await node.kernel.inspect())) return
  await node.kernel.close()
  await identify(node)
}
