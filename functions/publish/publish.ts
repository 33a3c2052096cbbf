/** Publish: the builder's TUF role lists the artifact. Nodes run it when a release names it. */
import { Manifest } from '../../pipelines/contract/artifact.ts'
import type { EventOf } from '../../pipelines/contract/events.ts'
import { policyTarget } from '../../pipelines/contract/object-keys.ts'
import { getBlob, getJson } from '../blobs.ts'
import type { ObjectStore, Queue, Statuses } from '../ports.ts'
import { statusOf } from '../statuses.ts'
import type { Repository } from '../trust/repository.ts'

export type PublishPorts = { store: ObjectStore; queue: Queue; statuses: Statuses; repository: Repository }

/** Throws Failure('artifact-missing' | 'artifact-tampered' | 'metadata-untrusted' | 'store-conflict'). */
export async function publish(ports: PublishPorts, event: EventOf<'publish'>): Promise<void> {
  const { commit, artifact, provenance } = event
  const bytes = await getBlob(ports.store, artifact)
  const { abi, kernel } = await getJson(ports.store, artifact, Manifest)
  // Metadata must never name what is not there.
  await getBlob(ports.store, provenance)
  const custom = { abi, kernel: kernel.minimum, commit, provenance }
  await ports.repository.update(() => ({
    policy: { put: [{ path: policyTarget(artifact), bytes, custom }] },
  }))
  await ports.statuses.post(commit, statusOf('pending', 'published', 'signed and published', { artifact }))
  await ports.queue.send({ stage: 'rollout', cause: { kind: 'published', commit, artifact } })
}
