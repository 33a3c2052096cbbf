/** A chain of links, each verified on what the ones before have found; the first break is named. */
import { Failure } from '../../pipelines/contract/failures.ts'

/** One link of the chain that held, in words and as data. */
export type Link = { link: string; facts: Record<string, unknown> }
export type Break = { link: string; code: string; message: string }
export type Chain = { links: Link[]; broken: Break | null }

type Follow<Trail> = (trail: Trail) => Promise<Link['facts']> | Link['facts']

export async function followChain<Trail>(
  named: readonly (readonly [string, Follow<Trail>])[],
  trail: Trail,
): Promise<Chain> {
  const links: Link[] = []
  for (const [link, follow] of named) {
    try {
      links.push({ link, facts: await follow(trail) })
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      return { links, broken: { link, code: error.code, message: error.message } }
    }
  }
  return { links, broken: null }
}

/** Links run in order; an earlier one has set this. */
export function need<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('links out of order')
  return value
}
