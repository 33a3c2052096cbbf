/**
 * A node whose memory is damaged. It begins with an empty one, but keeps what
 * the releases on its disk still prove: how far it has come, so that no older
 * release is taken, and a signed dispatcher, so that workloads are closed, not
 * open, where nothing is attached any more. The clock's floor can't be had
 * back; TUF's versions in metadata.json still guard against rollback.
 */
import type { Digest } from '../pipelines/contract/artifact.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import { DISPATCHER_TARGET } from '../pipelines/contract/object-keys.ts'
import { Release } from '../pipelines/contract/release.ts'
import { type Evidence, readBlob, readEvidence } from './cache.ts'
import type { Disk } from './disk.ts'
import { openState, STATE_FILE, type State, type StateFile } from './state.ts'
import { openMetadata } from './trust/metadata.ts'

/** Damaged files that are kept: enough to look into, and a disk that keeps failing does not fill up. */
const MAX_KEPT = 8

export type Recovered = { state: StateFile; lost: Failure | null }

/** The node's state; when it is damaged, what can be had back, and the failure to report. */
export async function recoverState(
  disk: Disk,
  node: { ring: string; pinnedRoot: string },
): Promise<Recovered> {
  try {
    return { state: await openState(disk), lost: null }
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'state-corrupt') throw error
    const kept = await keepAside(disk)
    const known = await knownReleases(disk, node.ring)
    const proved = { accepted: acceptedOf(known), ...(await dispatchersOf(disk, node.pinnedRoot, known)) }
    // Last: a death before it finds the damaged file again.
    const state = await openState(disk, proved)
    const lost = new Failure('state-corrupt', `${error.message}; it is kept as ${kept}`, { cause: error })
    return { state, lost }
  }
}

async function keepAside(disk: Disk): Promise<string> {
  const bytes = (await disk.read(STATE_FILE)) ?? new Uint8Array()
  for (let n = 1; ; n++) {
    const name = `${STATE_FILE}.corrupt-${n}`
    const held = await disk.read(name)
    if (held !== undefined && n < MAX_KEPT && Buffer.compare(held, bytes) !== 0) continue
    await disk.write(name, bytes)
    return name
  }
}

type Known = { release: Release; evidence: Evidence }

/** Releases of our ring whose evidence is whole, oldest first. They were verified before they were written. */
async function knownReleases(disk: Disk, ring: string): Promise<Known[]> {
  const known: Known[] = []
  for (const name of await disk.list('releases')) {
    const number = Number(/^(\d+)\.json$/.exec(name)?.[1] ?? Number.NaN)
    const found = await readKnown(disk, number).catch(() => undefined)
    if (found?.release.number === number && found.release.ring === ring) known.push(found)
  }
  return known.sort((a, b) => a.release.number - b.release.number)
}

async function readKnown(disk: Disk, number: number): Promise<Known | undefined> {
  const evidence = await readEvidence(disk, number)
  return evidence && { evidence, release: Release.parse(JSON.parse(evidence.release)) }
}

function acceptedOf(known: Known[]): State['accepted'] {
  const newest = known.at(-1)?.release
  return newest === undefined ? null : { number: newest.number, artifact: newest.artifact }
}

/**
 * The newest takes the place of none; the others may be what is attached, or still drain. The kernel says
 * which, when it is asked next.
 */
async function dispatchersOf(
  disk: Disk,
  pinnedRoot: string,
  known: Known[],
): Promise<Pick<State, 'dispatcher' | 'draining'>> {
  const signed = new Map<Digest, number>()
  for (const { release, evidence } of known) {
    const digest = signedDispatcher(pinnedRoot, evidence)
    if (digest === undefined || (await readBlob(disk, digest)) === undefined) continue
    signed.delete(digest)
    signed.set(digest, release.number)
  }
  const found = [...signed].map(([digest, number]) => ({ digest, number, tags: {} }))
  return {
    dispatcher: found.at(-1) ?? null,
    draining: found.slice(0, -1).map((each) => ({ ...each, since: 0 })),
  }
}

function signedDispatcher(pinnedRoot: string, evidence: Evidence): Digest | undefined {
  try {
    const hex = openMetadata(pinnedRoot, evidence.metadata).target('code', DISPATCHER_TARGET)?.hashes[
      'sha256'
    ]
    return hex === undefined ? undefined : `sha256:${hex}`
  } catch {
    // Not signed under the root that is pinned now: nothing that may be attached.
    return undefined
  }
}
