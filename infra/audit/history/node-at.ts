/** What a node's ring was told to run at a time, and whether the node can show that it took it. */
import { readEvidence } from '../../../agent/cache.ts'
import type { Disk } from '../../../agent/disk.ts'
import type { Store } from '../../../agent/ports.ts'
import { openMetadata } from '../../../agent/trust/metadata.ts'
import { Release } from '../../../pipelines/contract/release.ts'
import type { Break } from '../chain.ts'
import { readHistory, type Told } from './read-history.ts'
import { type RolloutFacts, rolloutsOf, toldAt } from './rollouts.ts'

/** `rollout`: null = nothing was told by then. `taken`: its evidence is still on the node. */
export type NodeAt = { rollout: RolloutFacts | null; taken: boolean; broken: Break | null }
type Subject = { ring: string; pinnedRoot: string; disk: Disk }

export async function nodeAt(store: Store, subject: Subject, at: number): Promise<NodeAt> {
  const { broken, ...history } = await readHistory(store, Buffer.from(subject.pinnedRoot))
  const told = toldAt(history.told, at).get(subject.ring)
  if (told === undefined) return { rollout: null, taken: false, broken }
  const rollout = rolloutsOf(history).find(({ number }) => number === told.number) ?? null
  return { rollout, taken: await hasTaken(subject, told), broken }
}

/** Evidence whose metadata does not lead from the pinned root, or that is of another release, shows nothing. */
async function hasTaken({ pinnedRoot, disk }: Subject, told: Told): Promise<boolean> {
  const evidence = await readEvidence(disk, told.number)
  if (evidence === undefined) return false
  openMetadata(pinnedRoot, evidence.metadata)
  const release = Release.safeParse(JSON.parse(evidence.release))
  return release.data?.number === told.number && release.data.artifact === told.artifact
}
