/** What a kernel in memory judges by, whatever was done to the agent. */
import assert from 'node:assert/strict'
import type { KernelContent } from '../fakes/memory-kernel.ts'

/** A node at some moment: its disk and its kernel. */
export type Moment = { directory: string; content: KernelContent }

/** Tables of what the kernel judges by; null = nothing is active. Half a generation is an error. */
export function judging(content: KernelContent): string | null {
  if (content.active === null) return null
  const slot = content.slots[content.active.slot]
  assert.ok(slot, 'the active slot is empty')
  assert.ok(content.dispatcher, 'active without a dispatcher')
  return slot.tablesDigest
}
