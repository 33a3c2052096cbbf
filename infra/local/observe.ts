/** What a local stack says about itself, read from outside: agents' journals and memory, the rollout's state. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Placement, State } from '../../agent/state.ts'
import { Envelope } from '../../pipelines/contract/dsse.ts'
import { RolloutState } from '../../pipelines/rollout/state.ts'
import type { LocalNode } from './nodes.ts'
import type { StackStore } from './object-store.ts'

const POLL_MS = 10

/** Resolves with the first defined answer, or undefined when none came in time. */
export async function within<T>(
  milliseconds: number,
  ask: () => T | undefined | Promise<T | undefined>,
): Promise<T | undefined> {
  const deadline = performance.now() + milliseconds
  for (;;) {
    const answer = await ask()
    if (answer !== undefined || performance.now() > deadline) return answer
    await sleep(POLL_MS)
  }
}

/** What the director decided so far; undefined before the first rollout. */
export async function rolloutOf(store: Pick<StackStore, 'read'>): Promise<RolloutState | undefined> {
  const stored = await store.read('rollout/state.json')
  if (stored === undefined) return undefined
  const { payload } = Envelope.parse(JSON.parse(stored.toString('utf8')))
  return RolloutState.parse(JSON.parse(Buffer.from(payload, 'base64').toString('utf8')))
}

/** What a node runs, from its own memory; null = nothing yet. */
export function enforcedBy(node: LocalNode): Placement | null {
  const file = join(node.dir, 'state', 'state.json')
  return existsSync(file) ? State.parse(JSON.parse(readFileSync(file, 'utf8'))).enforced : null
}

export type JournalReport = { outcome: string; code: string | undefined; message: string | undefined }

/** Reports in an agent's journal, oldest first; one that says what the last one said is not there again. */
export function reportsOf(node: LocalNode): JournalReport[] {
  if (!existsSync(node.log)) return []
  const lines = readFileSync(node.log, 'utf8').matchAll(
    /^(\w+), release \w+, generation \w+(?:\n {2}([a-z-]+): (.*))?$/gm,
  )
  return [...lines].map(([, outcome = '', code, message]) => ({ outcome, code, message }))
}
