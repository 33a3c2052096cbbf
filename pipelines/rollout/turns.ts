/**
 * Turns: the order in which a ring's nodes take a release. A place follows from the rollout and the
 * node's name alone, so that a release says "all up to here" in one number, however large the ring
 * is, and a node finds by itself whether it is its turn. Another rollout, another order: not always
 * the same node goes first.
 */
import { LAST_TURN } from '../contract/release.ts'
import { utf8 } from '../bytes.ts'

/** FNV-1a with MurmurHash3's finalizer: spreads names evenly; nothing here has to be secret. */
export function turnOf(rollout: string, node: string): number {
  let hash = 0x811c9dc5
  for (const byte of utf8(`${rollout}/${node}`)) hash = Math.imul(hash ^ byte, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** The first `count` nodes in the order of their turns; all of them need no order. */
export function firstInTurn(rollout: string, nodes: readonly string[], count: number): readonly string[] {
  return count >= nodes.length ? nodes : inTurn(rollout, nodes).slice(0, count)
}

/** Nodes in the order of their turns. */
export function inTurn(rollout: string, nodes: readonly string[]): string[] {
  const turns = nodes.map((node) => ({ node, turn: turnOf(rollout, node) }))
  turns.sort((a, b) => a.turn - b.turn || (a.node < b.node ? -1 : 1))
  return turns.map(({ node }) => node)
}

/** The last turn of the first `count` nodes; who is known to nobody yet waits for the whole ring. */
export function throughOf(rollout: string, nodes: readonly string[], count: number): number {
  if (count >= nodes.length) return LAST_TURN
  const last = firstInTurn(rollout, nodes, count).at(-1)
  return last === undefined ? 0 : turnOf(rollout, last)
}
