/** Sign: the builder states what the artifact was made from. */
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { PAYLOAD_TYPES } from '../../pipelines/contract/dsse.ts'
import type { EventOf } from '../../pipelines/contract/events.ts'
import { hexOf, policyTarget } from '../../pipelines/contract/object-keys.ts'
import type { Provenance } from '../../pipelines/contract/provenance.ts'
import { Validated } from '../../pipelines/contract/validated.ts'
import { getJson, putBlob } from '../blobs.ts'
import type { ObjectStore, Queue } from '../ports.ts'
import type { RoleKeys } from '../trust/roles.ts'
import { signStatement } from '../trust/statements.ts'

const BUILD_TYPE = 'https://heddle.dev/build/policy/v1'

export type SignPorts = { store: ObjectStore; queue: Queue; builder: RoleKeys; builderId: string }

/** Throws Failure('artifact-missing' | 'artifact-tampered' | 'store-unavailable'). */
export async function sign(ports: SignPorts, event: EventOf<'sign'>): Promise<void> {
  const validated = await getJson(ports.store, event.validated, Validated)
  const statement = provenanceOf(validated, event.artifact, ports.builderId)
  const envelope = await signStatement(PAYLOAD_TYPES.provenance, statement, ports.builder)
  const provenance = await putBlob(ports.store, envelope)
  await ports.queue.send({ stage: 'publish', commit: event.commit, artifact: event.artifact, provenance })
}

/** Without build times: the same commit gives the same statement, so that a repeated build changes nothing. */
function provenanceOf(validated: Validated, artifact: Digest, builderId: string): Provenance {
  const { repository, commit, author, committed } = validated.source
  const { review } = validated
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: policyTarget(artifact), digest: { sha256: hexOf(artifact) } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: { repository, commit },
        internalParameters: { author, committed, ...(review === undefined ? {} : { review }) },
        resolvedDependencies: validated.materials.map(({ path, digest }) => ({
          uri: `git+${repository}@${commit}#${path}`,
          digest: { sha256: hexOf(digest) },
        })),
      },
      runDetails: { builder: { id: builderId } },
    },
  }
}
