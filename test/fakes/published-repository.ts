/**
 * A whole signed repository, as the functions publish it, made from given artifacts: blobs, TUF
 * metadata, provenance, releases and the success statements between rings.
 */
import { putBlob } from '../../functions/blobs.ts'
import { namedLogWriter } from '../../functions/log/named-log.ts'
import type { Clock, ObjectStore } from '../../functions/ports.ts'
import { signCode } from '../../functions/trust/ceremony.ts'
import { encode, sha256Hex } from '../../functions/trust/metadata.ts'
import { Repository, type Target } from '../../functions/trust/repository.ts'
import { signStatement } from '../../functions/trust/statements.ts'
import type { Digest, Manifest } from '../../pipelines/contract/artifact.ts'
import { PAYLOAD_TYPES, type PayloadType } from '../../pipelines/contract/dsse.ts'
import { logEntryBytes } from '../../pipelines/contract/log.ts'
import {
  codeTarget,
  DENIALS_TARGET,
  DISPATCHER_TARGET,
  policyTarget,
  releaseTarget,
  shadowTarget,
  successTarget,
} from '../../pipelines/contract/object-keys.ts'
import type { Provenance } from '../../pipelines/contract/provenance.ts'
import type { RoleKeys } from '../../functions/trust/roles.ts'
import type { Release, RingSuccess, Shadow } from '../../pipelines/contract/release.ts'
import { initRepository, logTarget, tableOf } from './init-repository.ts'
import { type AllKeys, memoryKeys, systemClock } from './keys.ts'

export type PublishedRepository = {
  store: ObjectStore
  keys: AllKeys
  repository: Repository
  /** The root that a node pins when it is enrolled. */
  root: Uint8Array
  /** Lists these beside the code that is listed, in place of what has the same path. */
  putCode(...targets: Target[]): Promise<void>
  /** `logged` false: what a stolen builder's key would do, which can't write to the log. */
  publishArtifact(manifest: Manifest, elf: Uint8Array, logged?: boolean): Promise<Digest>
  /** Makes ring `ring` run the artifact. `fields` overrides what a test wants to be wrong. */
  release(ring: string, number: number, artifact: Digest, fields?: Partial<Release>): Promise<void>
  /** The director denies these, signed as `type`, or by other keys. */
  deny(artifacts: Digest[], by?: { type?: PayloadType; keys?: RoleKeys }): Promise<void>
  /** Lets it judge in the shadow of what the ring enforces; null = nothing does. */
  shadow(ring: string, number: number, artifact: Digest | null, fields?: Partial<Shadow>): Promise<void>
  succeed(ring: string, number: number, artifact: Digest, fields?: Partial<RingSuccess>): Promise<void>
}

/** `code`: variant → digest of the ELF without its tables. */
export async function publishedRepository(options: {
  store: ObjectStore
  code: Record<string, Digest>
  dispatcher: Uint8Array
  keys?: AllKeys
  clock?: Clock
}): Promise<PublishedRepository> {
  const { store, keys = memoryKeys(), clock = systemClock } = options
  const code: Target[] = Object.entries(options.code).map(([variant, digest]) => ({
    path: codeTarget(variant),
    bytes: encode({ variant, digest }),
  }))
  code.push({ path: DISPATCHER_TARGET, bytes: options.dispatcher }, logTarget(keys))
  const root = await initRepository(store, keys, code, clock)
  const repository = new Repository({ store, keys, clock, trustedRoot: root })
  const entries = namedLogWriter({ store, signers: keys.log.signers, trustedRoot: root })
  const putRelease = (target: Target) => repository.update(() => ({ release: { put: [target] } }))
  return {
    store,
    keys,
    repository,
    root,
    async putCode(...targets) {
      for (const target of targets) {
        const at = code.findIndex(({ path }) => path === target.path)
        code.splice(at < 0 ? code.length : at, 1, target)
      }
      await signCode(tableOf(store, keys, clock), root, code)
      await repository.refresh()
    },
    async publishArtifact(manifest, elf, logged = true) {
      const bytes = encode(manifest)
      const artifact = digestOf(bytes)
      const provenance = await signStatement(
        PAYLOAD_TYPES.provenance,
        provenanceOf(manifest, artifact),
        keys.policy,
      )
      for (const blob of [elf, bytes, provenance]) await putBlob(store, blob)
      const about = { commit: manifest.source.commit, provenance: digestOf(provenance) }
      const proof = logged ? await entries.append(logEntryBytes({ artifact, ...about })) : undefined
      const custom = {
        abi: manifest.abi,
        kernel: manifest.kernel.minimum,
        ...about,
        ...(proof === undefined ? {} : { proof: await putBlob(store, Buffer.from(proof)) }),
      }
      await repository.update(() => ({ policy: { put: [{ path: policyTarget(artifact), bytes, custom }] } }))
      return artifact
    },
    async release(ring, number, artifact, fields = {}) {
      const rollout = `rollout-${number}`
      const release = {
        schema: 'heddle.release/1' as const,
        ring,
        number,
        artifact,
        commit: 'c'.repeat(40),
        rollout,
      }
      await putRelease({ path: releaseTarget(ring), bytes: encode({ ...release, ...fields }) })
    },
    async deny(denied, { type = PAYLOAD_TYPES.denials, keys: by = keys.release } = {}) {
      const bytes = await signStatement(type, { schema: 'heddle.denials/1', denied }, by)
      await putRelease({ path: DENIALS_TARGET, bytes })
    },
    async shadow(ring, number, artifact, fields = {}) {
      const path = shadowTarget(ring)
      if (artifact === null) {
        await repository.update(() => ({ release: { put: [], drop: [path] } }))
        return
      }
      const rollout = `rollout-${number}`
      const shadow = {
        schema: 'heddle.shadow/1' as const,
        ring,
        number,
        artifact,
        commit: 'c'.repeat(40),
        rollout,
      }
      await putRelease({ path, bytes: encode({ ...shadow, ...fields }) })
    },
    async succeed(ring, number, artifact, fields = {}) {
      const rollout = `rollout-${number}`
      const success = {
        schema: 'heddle.ring-success/1' as const,
        ring,
        number,
        artifact,
        rollout,
        nodes: 1,
        basis: null,
      }
      const bytes = await signStatement(PAYLOAD_TYPES.ringSuccess, { ...success, ...fields }, keys.release)
      await putRelease({ path: successTarget(ring), bytes })
    },
  }
}

const digestOf = (bytes: Uint8Array): Digest => `sha256:${sha256Hex(bytes)}`

function provenanceOf(manifest: Manifest, artifact: Digest): Provenance {
  const { repository, commit } = manifest.source
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: policyTarget(artifact), digest: { sha256: artifact.slice('sha256:'.length) } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'https://heddle.dev/build/policy/v1',
        externalParameters: { repository, commit },
      },
      runDetails: { builder: { id: 'https://heddle.dev/builder/test' } },
    },
  }
}
