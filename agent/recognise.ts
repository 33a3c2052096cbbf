/**
 * Which dispatcher is attached? A node that has lost its memory finds programs in the kernel, and the
 * newest signed dispatcher need not be theirs: it waits until none is attached. Only the kernel can tell:
 * the tags that it gives to a signed ELF are those of what is attached, or they are not.
 */
import { Failure } from '../pipelines/contract/failures.ts'
import { blobPath } from './cache.ts'
import type { Node } from './node.ts'
import type { AttachedFacts } from './ports.ts'
import type { OfferedDispatcher, State, Tags } from './state.ts'

/** What tells the two apart, in words; undefined = the programs of this ELF, on every hook. */
export async function otherDispatcher(
  node: Node,
  { digest }: OfferedDispatcher,
  attached: Tags,
): Promise<string | undefined> {
  const expected = await node.kernel.tags(await blobPath(node.disk, digest))
  const hooks = Object.keys({ ...expected, ...attached })
  const differing = hooks.find((hook) => attached[hook] !== expected[hook])
  if (differing === undefined) return undefined
  return `hook ${differing} runs ${attached[differing] ?? 'nothing'}, not ${expected[differing] ?? 'nothing'} of ${digest}`
}

/**
 * Of the dispatchers that a damaged memory could still prove, the one that is attached. None = null: nothing is
 * said of what runs that is not so.
 */
export async function adoptedDispatcher(
  node: Node,
  attached: Tags,
): Promise<Pick<State, 'dispatcher' | 'offered'>> {
  const { dispatcher, offered } = node.state.current
  for (const candidate of [dispatcher, offered]) {
    if (candidate === null || (await otherDispatcher(node, candidate, attached)) !== undefined) continue
    const { digest, number } = candidate
    return { dispatcher: { digest, number, tags: attached }, offered: candidate === offered ? null : offered }
  }
  return { dispatcher: null, offered: null }
}

/** Programs, and not a word of them on the disk: somebody has taken the state directory away. */
export function lostWithout(node: Node, facts: AttachedFacts | null): Failure | null {
  const { accepted, dispatcher } = node.state.current
  if (node.lost !== null || facts === null || accepted !== null || dispatcher !== null) return node.lost
  return new Failure(
    'state-corrupt',
    `${node.disk.path('')} remembers nothing, but programs are attached: they go on enforcing until a release is verified`,
  )
}

/** What runs goes on; nothing is loaded behind a dispatcher whose ABI and signature nobody knows. */
export function unknownDispatcher(node: Node, difference: string): Failure {
  const code = node.state.current.dispatcher === null ? 'dispatcher-unknown' : 'attached-differs'
  return new Failure(
    code,
    `${difference}: another dispatcher is pinned, and it stays. To put the signed one in its place: drain the node, ` +
      'stop the agent, run `heddle node detach --yes --config <node.json>`, start the agent; ' +
      'until it enforces a release nothing is judged',
  )
}
