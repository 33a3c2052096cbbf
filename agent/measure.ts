/**
 * Measure: what the kernel has counted under the release that runs, over the last minutes. A window
 * never spans a flip: what a release is judged by is its own.
 */
import type { Measures } from '../pipelines/contract/release.ts'
import { isIntended } from '../pipelines/policy/intents.ts'
import { readManifest } from './cache.ts'
import type { Look, Metered } from './metered.ts'
import type { Node } from './node.ts'
import type { Counts } from './ports.ts'
import type { Placement } from './state.ts'

/** Milliseconds that a window covers at least, where the release has run for so long; at most twice that. */
const WINDOW_MS = 120_000

/** Null = nothing runs, or nothing counts. The first look under a release begins its window. */
export async function measure(node: Node): Promise<Measures | null> {
  const { enforced } = node.state.current
  const counts = enforced === null ? null : await node.kernel.counts(enforced.slot)
  if (enforced === null || counts === null) {
    node.metered = null
    return null
  }
  const { number, slot, artifact } = enforced
  const known = node.metered
  const goes = known?.number === number && known.slot === slot && !restarted(known.last.counts, counts)
  node.metered = goes
    ? await look(node, known, counts)
    : await begin(node, { number, slot, artifact }, counts)
  return between(node.metered.from, node.metered.last)
}

async function begin(
  node: Node,
  { number, slot, artifact }: Pick<Placement, 'number' | 'slot' | 'artifact'>,
  counts: Counts,
): Promise<Metered> {
  const { intents } = await readManifest(node.disk, artifact)
  // What was refused before belongs to another release.
  const { last } = await node.kernel.refusals(slot, 0)
  const first = { at: node.clock.now(), counts, last, seen: 0, unintended: 0 }
  return { number, slot, intents, from: first, next: first, last: first }
}

async function look(node: Node, known: Metered, counts: Counts): Promise<Metered> {
  const { last, refusals } = await node.kernel.refusals(known.slot, known.last.last)
  const strange = refusals.filter((refusal) => !isIntended(known.intents, refusal)).length
  const at = node.clock.now()
  const now: Look = {
    at,
    counts,
    last,
    seen: known.last.seen + refusals.length,
    unintended: known.last.unintended + strange,
  }
  const turned = at - known.next.at >= WINDOW_MS
  const { from, next } = turned ? { from: known.next, next: now } : known
  return { ...known, from, next, last: now }
}

/** The kernel keeps the newest refusals only: of the others the same share is taken to be unintended. */
function between(from: Look, last: Look): Measures {
  const grown = (name: 'allowed' | 'refused' | 'responses' | 'errors' | 'trips') =>
    last.counts[name] - from.counts[name]
  const [refused, seen] = [grown('refused'), last.seen - from.seen]
  const strange = last.unintended - from.unintended
  const latency = last.counts.latency.map((count, bucket) => count - (from.counts.latency[bucket] ?? 0))
  while (latency.at(-1) === 0) latency.pop()
  return {
    from: from.at,
    to: last.at,
    judged: grown('allowed') + refused,
    refused,
    unintended: seen === 0 ? 0 : Math.min(refused, Math.ceil((refused * strange) / seen)),
    responses: grown('responses'),
    errors: grown('errors'),
    latency,
    trips: grown('trips'),
  }
}

/** Maps that were made anew count from nothing. */
function restarted(before: Counts, now: Counts): boolean {
  return now.allowed < before.allowed || now.refused < before.refused || now.responses < before.responses
}
