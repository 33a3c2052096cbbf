/**
 * The metadata that this node has verified, kept twice: what a damaged copy forgets (how new the
 * newest root, timestamp and snapshot were) is what guards against rollback, so it is taken from the
 * other copy and never begun afresh.
 */
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'
import { sha256 } from '../cache.ts'
import type { Disk } from '../disk.ts'
import { Bundle, leadsFrom } from './metadata.ts'

const COPIES = ['metadata.json', 'metadata.copy.json'] as const

/** A bit that flips inside a signature would leave JSON that parses: the digest of `bundle`'s JSON tells. */
const Kept = z.strictObject({ sha256: z.string(), bundle: Bundle })

export type KeptMetadata = {
  bundle: Bundle
  /** Both copies can be read and agree. Else `keepMetadata` makes them. */
  whole: boolean
  /** Names of copies that can't be read. */
  damaged: string[]
  /** Another root has been pinned since this was kept. */
  repinned: boolean
}

/**
 * What was kept; only the pinned root when nothing ever was. Where another root has been pinned
 * since, that one is where trust begins: whatever else was kept counts only as far as it vouches for
 * it. Throws Failure('state-corrupt') when no copy can be read, or none is left on a node with a past.
 */
export async function readMetadata(disk: Disk, pinnedRoot: string): Promise<KeptMetadata> {
  const copies = await Promise.all(COPIES.map((name) => disk.read(name)))
  const bundles = copies.map((bytes) => bytes && parse(bytes))
  const damaged = COPIES.filter((_, at) => copies[at] !== undefined && bundles[at] === undefined)
  const bundle = bundles.find((read) => read !== undefined)
  const fresh = { bundle: { root: pinnedRoot }, whole: false, damaged, repinned: false }
  if (bundle === undefined) {
    if (damaged.length > 0 || (await disk.list('releases')).length > 0) throw lost()
    return fresh
  }
  if (!leadsFrom(pinnedRoot, bundle)) return { ...fresh, bundle: under(pinnedRoot, bundle), repinned: true }
  const whole = copies.every(
    (bytes) => bytes !== undefined && Buffer.compare(bytes, copies[0] ?? bytes) === 0,
  )
  return { bundle, whole, damaged, repinned: false }
}

/** What an operator says when he pins a root: whatever can't be read is given up. The rest stays. */
export async function pinMetadata(disk: Disk, pinnedRoot: string): Promise<void> {
  await readMetadata(disk, pinnedRoot).catch(async (error: unknown) => {
    if (!(error instanceof Failure)) throw error
    await keepMetadata(disk, { root: pinnedRoot })
  })
}

/** Durable when it returns. A death in between leaves one copy that is older, and readable. */
export async function keepMetadata(disk: Disk, bundle: Bundle): Promise<void> {
  const text = JSON.stringify({ sha256: sha256(JSON.stringify(bundle)), bundle })
  for (const name of COPIES) await disk.write(name, text)
}

function parse(bytes: Uint8Array): Bundle | undefined {
  try {
    const kept = Kept.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
    return sha256(JSON.stringify(kept.bundle)) === kept.sha256 ? kept.bundle : undefined
  } catch {
    return undefined
  }
}

/** Another root begins the chain. The rest stays as a floor where the keys of the new root have signed it. */
function under(pinnedRoot: string, bundle: Bundle): Bundle {
  const rest = Object.entries(bundle).filter(([name]) => name !== 'root' && !name.startsWith('root.'))
  return { ...Object.fromEntries(rest), root: pinnedRoot }
}

function lost(): Failure {
  const message = `${COPIES.join(' and ')} can't be read: how new the newest metadata was is forgotten`
  const detail = [
    'what runs goes on; nothing new is taken until somebody says which root is the newest:',
    'heddle trust status --save root.json, then heddle node enroll … --root root.json --repin',
  ]
  return new Failure('state-corrupt', message, { detail })
}
