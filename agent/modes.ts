/**
 * How inbound L7 rules are enforced for one workload: by the kernel, by the
 * relay, or by letting nobody in. Pure; agent/relay measures and carries it out.
 * Whatever is chosen, the kernel enforces: a wrong choice costs service, never
 * protection.
 */
import type { Workload } from '../pipelines/policy/model.ts'

export type Mode = 'kernel' | 'relay' | 'refuse'

/** Why; the words that an operator reads. */
export type ModeReason =
  | 'declared'
  | 'no-relay'
  | 'no-listener'
  | 'kernel-miscounts'
  | 'server-blocks-in-recv'
  | 'server-unknown'
  | 'server-does-not-block'

export type ModeChoice = { mode: Mode; reason: ModeReason }

/** One listening socket: does accept() on it block? Null = nobody could tell. */
export type ListenerFacts = { blocking: boolean | null }

/** What the node can do. Null = not measured. */
export type NodeFacts = { relayWorks: boolean; countsQueued: boolean | null }

/**
 * A declared mode wins. A server that sleeps in recv() is woken by a refusal
 * with EAGAIN and may close before the 403 is on the wire, so it gets the relay;
 * so does one that nobody could look at. Without a relay both are refused. Where
 * FIONREAD miscounts, servers hang behind either: refused, until declared otherwise.
 */
export function chooseMode(
  declared: Workload['mode'],
  listeners: readonly ListenerFacts[],
  node: NodeFacts,
): ModeChoice {
  const relay = (reason: ModeReason): ModeChoice =>
    node.relayWorks ? { mode: 'relay', reason } : { mode: 'refuse', reason: 'no-relay' }
  if (declared === 'relay') return relay('declared')
  if (declared !== 'auto') return { mode: declared, reason: 'declared' }
  if (node.countsQueued === false) return { mode: 'refuse', reason: 'kernel-miscounts' }
  if (listeners.length === 0) return { mode: 'kernel', reason: 'no-listener' }
  if (listeners.some(({ blocking }) => blocking === true)) return relay('server-blocks-in-recv')
  if (listeners.some(({ blocking }) => blocking === null)) return relay('server-unknown')
  return { mode: 'kernel', reason: 'server-does-not-block' }
}
