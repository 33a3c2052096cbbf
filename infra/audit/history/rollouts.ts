/** What each rollout did and why it ended, as the signed history tells it. */
import type { Digest } from '../../../pipelines/contract/artifact.ts'
import type { RolloutEnd } from '../../../pipelines/rollout/state.ts'
import type { Told, History } from './read-history.ts'
import type { Artifact } from './statements.ts'

/** Times are ISO 8601. `succeeded`: null = the ring never soaked with it. */
export type RingFacts = { ring: string; told: string; succeeded: string | null; nodes: number | null }
export type RolloutFacts = {
  number: number
  rollout: string
  artifact: Digest
  commit: string
  repository: string
  author: string | null
  /** Who approved, as `name at commit` (and `, outdated` of another commit than the one merged), and the rule that wanted it; null = the builder was told of no review. */
  approvals: string[] | null
  rule: string | null
  rings: RingFacts[]
  /** By the director's own word where there is one. */
  end: RolloutEnd['outcome'] | 'open'
  why: string
  /** ISO 8601. */
  ended: string | null
}

/** In the order of their numbers. */
export function rolloutsOf({ artifacts, told, succeeded, ends }: History): RolloutFacts[] {
  const order = [...new Set(told.map(({ ring }) => ring))]
  const soaked = new Map(succeeded.map((each) => [`${each.ring} ${each.number}`, each]))
  const numbers = [...new Set(told.map(({ number }) => number))].sort((a, b) => a - b)
  const byNumber = new Map<number, Told[]>(numbers.map((number) => [number, []]))
  for (const each of told) byNumber.get(each.number)?.push(each)
  const firstOf = new Map<Digest, number>()
  return numbers.map((number, index): RolloutFacts => {
    const mine = byNumber.get(number) ?? []
    const [first] = mine as [Told]
    const rings = mine.map(({ ring, at }): RingFacts => {
      const success = soaked.get(`${ring} ${number}`)
      return { ring, told: at, succeeded: success?.at ?? null, nodes: success?.nodes ?? null }
    })
    const earlier = firstOf.get(first.artifact)
    if (earlier === undefined) firstOf.set(first.artifact, number)
    const said = ends.get(number)?.at(-1)
    const derived = endOf(rings, { order, next: numbers[index + 1] })
    const why = said === undefined ? derived.why : `ring ${said.ring}: ${said.why}`
    return {
      number,
      rollout: first.rollout,
      ...sourceOf(first, artifacts.get(first.artifact)),
      rings,
      end: said?.outcome ?? derived.end,
      ended: said === undefined ? null : new Date(said.endedAt).toISOString(),
      why: earlier === undefined ? why : `${why}; went back to what release ${earlier} brought`,
    }
  })
}

function sourceOf({ artifact, commit }: Told, known: Artifact | undefined) {
  const review = known?.review ?? null
  return {
    artifact,
    commit,
    repository: known?.repository ?? '',
    author: known?.author ?? null,
    approvals:
      review?.approvals.map(
        ({ by, commit: at, outdated }) => `${by} at ${at}${outdated ? ', outdated' : ''}`,
      ) ?? null,
    rule: review?.rule ?? null,
  }
}

function endOf(
  rings: readonly RingFacts[],
  { order, next }: { order: readonly string[]; next: number | undefined },
): Pick<RolloutFacts, 'end' | 'why'> {
  const last = order.at(-1)
  if (rings.some(({ ring, succeeded }) => ring === last && succeeded !== null))
    return { end: 'done', why: 'every ring succeeded' }
  const open = rings.find(({ succeeded }) => succeeded === null)
  const where = open === undefined ? 'between two rings' : `before ring ${open.ring} had succeeded`
  if (next !== undefined) return { end: 'superseded', why: `release ${next} took its place ${where}` }
  return {
    end: 'open',
    why: open === undefined ? 'the next ring has not been told' : `ring ${open.ring} has not succeeded`,
  }
}

/** What each ring was told to run at that time. */
export function toldAt(told: readonly Told[], time: number): Map<string, Told> {
  const rings = new Map<string, Told>()
  for (const each of told) if (Date.parse(each.at) <= time) rings.set(each.ring, each)
  return rings
}
