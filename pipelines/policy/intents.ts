/**
 * Intents: refusals that a policy declares. A gate judges what was not intended (decisions.md 21), so
 * a policy that means to refuse says what; every other refusal speaks against its release.
 */
import { z } from 'zod'
import { matchesFully, parseRegex } from '../automata/regex.ts'
import type { RegexNode } from '../automata/regex-node.ts'
import { utf8 } from '../bytes.ts'

const Intent = z.strictObject({
  /** Null = every method. */
  method: z.string().max(64).nullable(),
  /** RE2, full match on the path with its query. */
  path: z.string().max(2048),
})
export const Intents = z.array(Intent).max(1024)
export type Intents = z.infer<typeof Intents>

const patterns = new WeakMap<z.infer<typeof Intent>, RegexNode | null>()

/** Is a refused request one of those that were meant? A pattern that is none means nothing. */
export function isIntended(intents: Intents, request: { method: string; path: string }): boolean {
  return intents.some((intent) => {
    if (intent.method !== null && intent.method !== request.method) return false
    const known = patterns.get(intent)
    const parsed = known === undefined ? parseRegex(intent.path) : undefined
    const node = known ?? (parsed?.ok === true ? parsed.node : null)
    patterns.set(intent, node)
    return node !== null && matchesFully(node, utf8(request.path))
  })
}
