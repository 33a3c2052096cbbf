/**
 * Publish: everyone can read in the log that the artifact is, then the builder's TUF role lists it with the proof.
 * Nodes run it when a release names it.
 */
import { Digest, Manifest } from '../../pipelines/contract/artifact.ts'
import type { EventOf } from '../../pipelines/contract/events.ts'
import { logEntryBytes } from '../../pipelines/contract/log.ts'
import { type PolicyCustom, policyTarget } from '../../pipelines/contract/object-keys.ts'
import { getBlob, getJson, putBlob } from '../blobs.ts'
import type { EntryLog, ObjectStore, Queue, Statuses } from '../ports.ts'
import { statusOf } from '../statuses.ts'
import type { Change, Repository, View } from '../trust/repository.ts'

/** Artifacts that may be released, or released again, without a new build. */
const MAX_LISTED = 256

export type PublishPorts = {
  store: ObjectStore
  queue: Queue
  statuses: Statuses
  repository: Repository
  entries: EntryLog
}

/** Throws Failure('artifact-missing' | 'artifact-tampered' | 'metadata-untrusted' | 'log-damaged' | 'store-conflict'). */
export async function publish(ports: PublishPorts, event: EventOf<'publish'>): Promise<void> {
  const { commit, artifact, provenance } = event
  const bytes = await getBlob(ports.store, artifact)
  const { abi, kernel } = await getJson(ports.store, artifact, Manifest)
  // Metadata must never name what is not there.
  await getBlob(ports.store, provenance)
  // Before anybody can be told to run it. A proof that nothing names is a blob that nobody reads.
  const logged = await ports.entries.append(logEntryBytes({ artifact, provenance, commit }))
  const proof = await putBlob(ports.store, Buffer.from(logged, 'utf8'))
  const custom = { abi, kernel: kernel.minimum, commit, provenance, proof }
  const target = { path: policyTarget(artifact), bytes, custom }
  await ports.repository.update((view) => listArtifact(view, target))
  await ports.statuses.post(commit, statusOf('pending', 'published', 'signed and published', { artifact }))
  await ports.queue.send({ stage: 'rollout', cause: { kind: 'published', commit, artifact } })
}

/**
 * Adds the target, and drops the oldest ones that no ring is told to run: the role's metadata is
 * read by every node at every change. `order` numbers artifacts as they came. What is listed
 * already stays as it is.
 */
function listArtifact(view: View, target: { path: string; bytes: Uint8Array; custom: PolicyCustom }): Change {
  const listed = view('policy')
  if (listed.has(target.path)) return {}
  const released = new Set<string>()
  for (const { custom } of view('release').values()) {
    const artifact = Digest.safeParse(custom['artifact'])
    if (artifact.success) released.add(policyTarget(artifact.data))
  }
  const byAge = [...listed]
    .map(([path, { custom }]) => ({ path, order: Number(custom['order'] ?? 0) }))
    .sort((older, newer) => older.order - newer.order)
  const surplus = byAge.slice(0, Math.max(0, byAge.length + 1 - MAX_LISTED))
  const drop = surplus.map(({ path }) => path).filter((path) => !released.has(path))
  const order = (byAge.at(-1)?.order ?? 0) + 1
  return { policy: { put: [{ ...target, custom: { ...target.custom, order } }], drop } }
}
