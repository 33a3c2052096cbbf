/** Swap: one store in the kernel makes the staged generation the active one. */
import type { Attempt, Node } from './node.ts'
import { activate } from './slots.ts'

export async function swap(node: Node, attempt: Attempt): Promise<void> {
  const { pending } = node.state.current
  if (attempt.verified === undefined || pending === null) return
  const micros = await activate(node, pending)
  attempt.timings['flip'] = micros / 1000
  attempt.swapped = true
}
