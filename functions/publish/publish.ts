/** Publish: the builder's TUF role lists the artifact. Nodes run it when a release names it. */
import { Digest, Manifest } from '../../pipelines/contract/artifact.ts'
import type { EventOf } from '../../pipelines/contract/events.ts'
import { type PolicyCustom, policyTarget } from '../../pipelines/contract/object-keys.ts'
import { getBlob, getJson } from '../blobs.ts'
import type { ObjectStore, Queue, Statuses } from '../ports.ts'
import { statusOf } from '../statuses.ts'
import type { Change, Repository, View } from '../trust/repository.ts'

/** Artifacts that may be released, or released again, without a new build. */
const MAX_LISTED = 256

export type PublishPorts = { store: ObjectStore; queue: Queue; statuses: Statuses; repository: Repository }

/** Throws Failure('artifact-missing' | 'artifact-tampered' | 'metadata-untrusted' | 'store-conflict'). */
export async function publish(ports: PublishPorts, event: EventOf<'publish'>): Promise<void> {
  const { commit, artifact, provenance } = event
  const bytes = await getBlob(ports.store, artifact)
  const { abi, kernel } = await getJson(ports.store, artifact, Manifest)
  // Metadata must never name what is not there.
  await getBlob(ports.store, provenance)
  const custom = { abi, kernel: kernel.minimum, commit, provenance }
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
