/**
 * Which dispatcher is attached? A node that has lost its memory finds programs in the kernel. Only the kernel
 * can tell whose they are: the tags that it gives to a signed ELF are those of what is attached, or they are not.
 */
import type { Digest } from '../pipelines/contract/artifact.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import { blobPath } from './cache.ts'
import type { Node } from './node.ts'
import type { AttachedFacts } from './ports.ts'
import type { OfferedDispatcher, State, Tags } from './state.ts'

/**
 * What tells the two apart, in words; undefined = the programs of this ELF. On every hook, or, where a
 * replaced one keeps only its sockets, on the hooks that it has.
 */
export async function otherDispatcher(
  node: Node,
  { digest }: OfferedDispatcher,
  attached: Tags,
  everyHook = true,
): Promise<string | undefined> {
  const expected = await node.kernel.tags(await blobPath(node.disk, digest))
  const hooks = Object.keys(everyHook ? { ...expected, ...attached } : attached)
  const differing = hooks.find((hook) => attached[hook] !== expected[hook])
  if (differing === undefined) return undefined
  return `hook ${differing} runs ${attached[differing] ?? 'nothing'}, not ${expected[differing] ?? 'nothing'} of ${digest}`
}

/**
 * Of the dispatchers that a damaged memory could still prove, the one that is attached and those that drain.
 * None = null: nothing is said of what runs that is not so, and the next release puts its own in its place.
 */
export async function adoptedDispatchers(
  node: Node,
  facts: AttachedFacts,
): Promise<Pick<State, 'dispatcher' | 'draining'>> {
  const { dispatcher, draining } = node.state.current
  const known = [...(dispatcher === null ? [] : [dispatcher]), ...draining]
  const find = async (digest: Digest | null, hooks: AttachedFacts['hooks'], all: boolean) => {
    const found = known.find((each) => each.digest === digest)
    if (found === undefined) return undefined
    const tags = tagsOf(hooks)
    const other = await otherDispatcher(node, found, tags, all)
    return other === undefined ? { digest: found.digest, number: found.number, tags } : undefined
  }
  const old: State['draining'] = []
  for (const { digest, hooks } of facts.draining) {
    const found = await find(digest, hooks, false)
    if (found !== undefined) old.push({ ...found, since: 0 })
  }
  return { dispatcher: (await find(facts.dispatcher, facts.hooks, true)) ?? null, draining: old }
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

export function tagsOf(programs: Record<string, { tag: string }>): Tags {
  return Object.fromEntries(Object.entries(programs).map(([name, { tag }]) => [name, tag]))
}

/** In words, the first hook whose program is not the one that was noted. */
export function tagsDiffer(hooks: AttachedFacts['hooks'], tags: Tags): string | undefined {
  for (const [hook, tag] of Object.entries(tags))
    if (hooks[hook]?.tag !== tag) return `hook ${hook} runs ${hooks[hook]?.tag ?? 'nothing'}, not ${tag}`
  return undefined
}
