/**
 * One artifact as it lies in a store, verified from a trusted root on by whoever has neither node nor network: what a
 * node would ask of it, but for the kernel. How fresh the metadata is is told, not judged: an archive is old.
 */
import type { Store } from '../../agent/ports.ts'
import {
  checkCode,
  checkProvenance,
  readElf,
  readManifest,
  readProvenance,
} from '../../agent/trust/artifact.ts'
import { checkLogged, readLogged } from '../../agent/trust/logged.ts'
import { refreshMetadata, type TrustedMetadata } from '../../agent/trust/metadata.ts'
import { checkRoot } from '../../agent/trust/pin.ts'
import type { Digest, Manifest } from '../../pipelines/contract/artifact.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { PolicyCustom } from '../../pipelines/contract/object-keys.ts'
import type { Provenance } from '../../pipelines/contract/provenance.ts'
import { type Chain, followChain, need } from './chain.ts'

export type ArtifactSubject = { store: Store; pinnedRoot: string; artifact: Digest }

type Trail = {
  subject: ArtifactSubject
  metadata?: TrustedMetadata
  manifest?: Manifest
  custom?: PolicyCustom
  elf?: Uint8Array
  provenance?: Provenance
}

export function verifyArtifact(subject: ArtifactSubject): Promise<Chain> {
  return followChain<Trail>(
    [
      ['root of trust', root],
      ['metadata', metadata],
      ['policy signature', policy],
      ['provenance signature', provenance],
      ['log entry', logEntry],
      ['program bytes', program],
      ['code signature', code],
      ['commit', commit],
    ],
    { subject },
  )
}

function root({ subject }: Trail) {
  return checkRoot(subject.pinnedRoot)
}

async function metadata(trail: Trail) {
  const { store, pinnedRoot } = trail.subject
  // The beginning of time: nothing has expired then.
  const refreshed = await refreshMetadata({ root: pinnedRoot }, { store, now: 0 })
  if (refreshed.metadata instanceof Failure) throw refreshed.metadata
  trail.metadata = refreshed.metadata
  const roles = Object.entries(refreshed.bundle).filter(([name]) => !name.startsWith('root.'))
  const signed = roles.map(([role, raw]) => [role, JSON.parse(raw).signed] as const)
  const { expires } = Object.fromEntries(signed)['timestamp']
  return { versions: Object.fromEntries(signed.map(([role, { version }]) => [role, version])), expires }
}

async function policy(trail: Trail) {
  const { store, artifact } = trail.subject
  const { manifest, bytes, custom } = await readManifest(store, need(trail.metadata), artifact)
  Object.assign(trail, { manifest, custom })
  return { digest: artifact, bytes: bytes.length, policies: manifest.policies.length }
}

async function provenance(trail: Trail) {
  const about = aboutOf(trail)
  const envelope = await readProvenance(trail.subject.store, need(trail.metadata), about)
  trail.provenance = checkProvenance(need(trail.metadata), Buffer.from(envelope), about)
  return { builder: trail.provenance.predicate.runDetails.builder.id, envelope: about.custom.provenance }
}

async function logEntry(trail: Trail) {
  const logged = await readLogged(trail.subject.store, need(trail.metadata), aboutOf(trail))
  if (logged === null) return { log: null }
  const { origin, size } = checkLogged(logged, aboutOf(trail))
  return { log: origin, size }
}

async function program(trail: Trail) {
  const manifest = need(trail.manifest)
  trail.elf = await readElf(trail.subject.store, manifest)
  return manifest.elf
}

async function code(trail: Trail) {
  const manifest = need(trail.manifest)
  await checkCode(trail.subject.store, need(trail.metadata), { manifest, elf: need(trail.elf) })
  return manifest.code
}

function commit(trail: Trail) {
  const { buildDefinition } = need(trail.provenance).predicate
  return { ...need(trail.manifest).source, review: buildDefinition.internalParameters?.review ?? null }
}

function aboutOf(trail: Trail) {
  return {
    artifact: trail.subject.artifact,
    manifest: need(trail.manifest),
    custom: need(trail.custom),
  }
}
