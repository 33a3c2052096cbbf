/**
 * Verified bytes of the artifacts that this node may need without network:
 * content-addressed blobs, and for each release the evidence it was taken on.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type Digest, Manifest } from '../pipelines/contract/artifact.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import { blobKey, hexOf } from '../pipelines/contract/object-keys.ts'
import type { Disk } from './disk.ts'

/** `log`: the target of code that names the log. `proof`: the tlog-proof of the artifact's entry. */
const Logged = z.strictObject({ log: z.string(), proof: z.string() })
export type Logged = z.infer<typeof Logged>

/**
 * What an auditor needs to verify a release again: the metadata as it was when
 * the node took the release, and the statements that it names.
 */
export const Evidence = z.strictObject({
  schema: z.literal('heddle.evidence/1'),
  /** Role -> raw TUF metadata. */
  metadata: z.record(z.string(), z.string()),
  release: z.string(),
  success: z.string().nullable(),
  code: z.string(),
  provenance: z.string(),
  /** Null = the code key named no log then; missing = written by an agent that knew none. */
  logged: Logged.nullable().default(null),
})
export type Evidence = z.infer<typeof Evidence>

export function sha256(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export async function putBlob(disk: Disk, bytes: Uint8Array): Promise<Digest> {
  const digest = sha256(bytes)
  if ((await readBlob(disk, digest)) === undefined) await disk.write(blobKey(digest), bytes)
  return digest
}

/** Bytes that have this digest now; undefined when absent or no longer the same. */
export async function readBlob(disk: Disk, digest: Digest): Promise<Uint8Array | undefined> {
  const bytes = await disk.read(blobKey(digest))
  return bytes !== undefined && sha256(bytes) === digest ? bytes : undefined
}

/** Path of a blob whose bytes were just checked. Throws Failure('state-corrupt'). */
export async function blobPath(disk: Disk, digest: Digest): Promise<string> {
  if ((await readBlob(disk, digest)) === undefined) {
    throw new Failure('state-corrupt', `cached ${digest} is missing or changed on disk`)
  }
  return disk.path(blobKey(digest))
}

/** Manifest of a cached artifact. Throws Failure('state-corrupt'). */
export async function readManifest(disk: Disk, artifact: Digest): Promise<Manifest> {
  const bytes = await readBlob(disk, artifact)
  if (bytes === undefined)
    throw new Failure('state-corrupt', `cached manifest ${artifact} is missing or changed`)
  return Manifest.parse(JSON.parse(new TextDecoder().decode(bytes)))
}

export async function putEvidence(disk: Disk, number: number, evidence: Evidence): Promise<void> {
  await disk.write(`releases/${number}.json`, JSON.stringify(evidence))
}

export async function readEvidence(disk: Disk, number: number): Promise<Evidence | undefined> {
  const bytes = await disk.read(`releases/${number}.json`)
  return bytes === undefined ? undefined : Evidence.parse(JSON.parse(new TextDecoder().decode(bytes)))
}

/** Forget everything but these artifacts, dispatchers and releases. */
export async function prune(
  disk: Disk,
  keep: { artifacts: Digest[]; dispatchers: Digest[]; releases: number[] },
): Promise<void> {
  const blobs = new Set(keep.dispatchers.map(hexOf))
  for (const artifact of keep.artifacts) {
    blobs.add(hexOf(artifact))
    blobs.add(hexOf((await readManifest(disk, artifact)).elf.digest))
  }
  const releases = new Set(keep.releases.map((number) => `${number}.json`))
  for (const name of await disk.list('blobs/sha256')) {
    if (!blobs.has(name)) await disk.remove(`blobs/sha256/${name}`)
  }
  for (const name of await disk.list('releases')) {
    if (!releases.has(name)) await disk.remove(`releases/${name}`)
  }
}
