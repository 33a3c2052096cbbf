/** The artifact that a release names: its manifest, where it came from, its bytes, its code. */
import { Digest, GENERATION_HOOKS, Manifest } from '../../pipelines/contract/artifact.ts'
import { MAX_ENVELOPE_BYTES, open, PAYLOAD_TYPES } from '../../pipelines/contract/dsse.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import {
  CodeTarget,
  codeTarget,
  DISPATCHER_TARGET,
  hexOf,
  PolicyCustom,
  policyTarget,
} from '../../pipelines/contract/object-keys.ts'
import { Provenance } from '../../pipelines/contract/provenance.ts'
import { readBlob } from '../cache.ts'
import type { Disk } from '../disk.ts'
import type { Kernel, Store } from '../ports.ts'
import { checkSpoken } from '../skew.ts'
import { digestsOf } from './code.ts'
import { decode, MAX_TARGET_BYTES, readStoreBlob, readTarget } from './content.ts'
import { kernelAtLeast } from './kernel-version.ts'
import type { TrustedMetadata } from './metadata.ts'
import { parse, text } from './release.ts'

/** Bytes of an ELF: the largest variant's tables and its text stay below it. */
const MAX_ELF_BYTES = 64 * 1024 * 1024
const MAX_DISPATCHER_BYTES = 8 * 1024 * 1024

/** The manifest as the builder signed it. The artifact digest is the digest of its bytes. */
export async function readManifest(
  store: Store,
  metadata: TrustedMetadata,
  artifact: Digest,
): Promise<{ manifest: Manifest; bytes: Uint8Array; custom: PolicyCustom }> {
  const target = metadata.target('policy', policyTarget(artifact))
  if (target === undefined) {
    throw new Failure('artifact-untrusted', `the builder has not signed ${artifact}`)
  }
  if (target.hashes['sha256'] !== hexOf(artifact)) {
    throw new Failure('artifact-untrusted', `target ${target.path} is another artifact`)
  }
  const custom = PolicyCustom.safeParse(target.custom)
  if (!custom.success) throw new Failure('artifact-untrusted', `target ${target.path} lacks its custom part`)
  // Before the schema: a manifest of another ABI may well look different.
  checkSpoken('the artifact', custom.data.abi)
  const bytes = await readTarget(store, target, MAX_TARGET_BYTES)
  const manifest = decode(bytes, Manifest, 'artifact-untrusted', 'manifest')
  if (manifest.abi !== custom.data.abi) {
    throw new Failure(
      'abi-mismatch',
      `the manifest says ABI ${manifest.abi}, the builder signed ${custom.data.abi}`,
    )
  }
  return { manifest, bytes, custom: custom.data }
}

/** What the kernel must offer, asked before anything is loaded. */
export async function checkKernel(kernel: Kernel, manifest: Manifest): Promise<void> {
  const { release, missing } = await kernel.probe()
  if (!kernelAtLeast(release, manifest.kernel.minimum)) {
    throw new Failure('kernel-too-old', `kernel ${release}; the artifact needs ${manifest.kernel.minimum}`)
  }
  const hooks: readonly string[] = GENERATION_HOOKS
  const unknown = manifest.kernel.hooks.filter((hook) => !hooks.includes(hook))
  // A program that nobody calls would be a policy that nobody enforces.
  if (unknown.length > 0) throw new Failure('abi-mismatch', `no dispatcher calls ${unknown.join(', ')}`)
  if (missing.length > 0) throw new Failure('kernel-too-old', `kernel ${release} lacks ${missing.join(', ')}`)
}

/** The builder's provenance of this artifact. Throws Failure('provenance-untrusted'). */
export async function readProvenance(
  store: Store,
  metadata: TrustedMetadata,
  about: { artifact: Digest; manifest: Manifest; custom: PolicyCustom },
): Promise<string> {
  const envelope = await readStoreBlob(store, about.custom.provenance, { max: MAX_ENVELOPE_BYTES })
  checkProvenance(metadata, envelope, about)
  return text(envelope)
}

export function checkProvenance(
  metadata: TrustedMetadata,
  envelope: Uint8Array,
  about: { artifact: Digest; manifest: Manifest },
): Provenance {
  const signers = metadata.signers('policy')
  const expected = { payloadType: PAYLOAD_TYPES.provenance, threshold: signers.threshold }
  const opened = open(parse(envelope), expected, signers.verify)
  if (!opened.ok) throw new Failure('provenance-untrusted', `provenance: ${opened.why}`)
  const statement = decode(opened.payload, Provenance, 'provenance-untrusted', 'provenance')
  if (statement.subject[0]?.digest.sha256 !== hexOf(about.artifact)) {
    throw new Failure('provenance-untrusted', 'the provenance is that of another artifact')
  }
  const { commit, repository } = statement.predicate.buildDefinition.externalParameters
  const { source } = about.manifest
  if (commit !== source.commit || repository !== source.repository) {
    throw new Failure('provenance-untrusted', `the provenance names ${repository} at ${commit}`)
  }
  return statement
}

/** The ELF by the manifest's digest, bounded by the manifest's length. */
export async function readElf(store: Store, manifest: Manifest): Promise<Uint8Array> {
  return readStoreBlob(store, manifest.elf.digest, { bytes: manifest.elf.bytes, max: MAX_ELF_BYTES })
}

/**
 * The program code is what the code key signed, and the tables are what the
 * manifest says. Returns the raw code target.
 */
export async function checkCode(
  store: Store,
  metadata: TrustedMetadata,
  artifact: { manifest: Manifest; elf: Uint8Array },
): Promise<string> {
  const { code } = artifact.manifest
  const target = metadata.target('code', codeTarget(code.variant))
  if (target === undefined) throw new Failure('code-untrusted', `the code key has not signed ${code.variant}`)
  const bytes = await readTarget(store, target, MAX_TARGET_BYTES)
  checkCodeDigests(decode(bytes, CodeTarget, 'code-untrusted', target.path), artifact)
  return text(bytes)
}

export function checkCodeDigests(
  signed: CodeTarget,
  { manifest, elf }: { manifest: Manifest; elf: Uint8Array },
): void {
  const actual = digestsOf(elf)
  if (signed.variant !== manifest.code.variant || signed.digest !== manifest.code.digest) {
    throw new Failure('code-untrusted', `manifest and code key differ about ${manifest.code.variant}`)
  }
  if (actual.code !== signed.digest) {
    throw new Failure('code-untrusted', `program code is ${actual.code}, signed was ${signed.digest}`)
  }
  if (actual.tables !== manifest.tables.digest) {
    throw new Failure('artifact-tampered', `tables are ${actual.tables}, not ${manifest.tables.digest}`)
  }
}

/**
 * The dispatcher that the code key signed. It changes rarely and is a sixth of what a release weighs:
 * the one in the cache will do where it is the one that is signed.
 */
export async function readDispatcher(
  { store, disk }: { store: Store; disk: Disk },
  metadata: TrustedMetadata,
): Promise<Uint8Array> {
  const target = metadata.target('code', DISPATCHER_TARGET)
  if (target === undefined) throw new Failure('code-untrusted', 'the code key has signed no dispatcher')
  const digest = Digest.safeParse(`sha256:${target.hashes['sha256']}`)
  const kept = digest.success ? await readBlob(disk, digest.data) : undefined
  return kept?.length === target.length ? kept : readTarget(store, target, MAX_DISPATCHER_BYTES)
}
