/** What the roles say in the course of a history: artifacts with where they come from, releases, successes of rings. */
import { sha256 } from '../../../agent/cache.ts'
import type { Store } from '../../../agent/ports.ts'
import { checkLogged } from '../../../agent/trust/logged.ts'
import type { Digest } from '../../../pipelines/contract/artifact.ts'
import {
  MAX_ENVELOPE_BYTES,
  open,
  PAYLOAD_TYPES,
  type PayloadType,
} from '../../../pipelines/contract/dsse.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'
import {
  blobKey,
  DENIALS_TARGET,
  hexOf,
  PolicyCustom,
  rolloutEndKey,
  targetKey,
} from '../../../pipelines/contract/object-keys.ts'
import { Provenance } from '../../../pipelines/contract/provenance.ts'
import { Denials, Release, RingSuccess } from '../../../pipelines/contract/release.ts'
import type { Checkpoint } from '../../../pipelines/log/checkpoint.ts'
import { MAX_PROOF_BYTES } from '../../../pipelines/log/checkpoint.ts'
import { OUTCOMES, RolloutEnd } from '../../../pipelines/rollout/state.ts'
import { verify } from 'node:crypto'
import type { z } from 'zod'
import type { Quorum } from './signed-file.ts'

/** Bytes of a release or of the log's target. */
const MAX_STATEMENT_BYTES = 262_144

export type Review = NonNullable<
  NonNullable<Provenance['predicate']['buildDefinition']['internalParameters']>['review']
>
/** `listed`: ISO 8601. `logged`: the tree that shows its entry; null = the code key named no log then. */
export type Artifact = {
  artifact: Digest
  commit: string
  repository: string
  author: string | null
  review: Review | null
  listed: string
  logged: Checkpoint | null
}

/** `log`: content of the target that names the log at that time. Throws by the name of what is wrong. */
export async function readArtifact(
  store: Store,
  { artifact, custom: said, listed }: { artifact: Digest; custom: unknown; listed: string },
  { builder, log }: { builder: Quorum; log: string | null },
): Promise<Artifact> {
  const custom = PolicyCustom.safeParse(said)
  if (!custom.success) throw new Failure('artifact-untrusted', `${artifact} lacks its custom part`)
  const { provenance, commit, proof } = custom.data
  const envelope = await readBlob(store, provenance, MAX_ENVELOPE_BYTES)
  const statement = openStatement(envelope, { type: PAYLOAD_TYPES.provenance, schema: Provenance }, builder)
  const { externalParameters, internalParameters } = statement?.predicate.buildDefinition ?? {}
  if (statement?.subject[0]?.digest.sha256 !== hexOf(artifact) || externalParameters?.commit !== commit)
    throw new Failure('provenance-untrusted', `the provenance of ${artifact} is not the builder's word on it`)
  const author = internalParameters?.['author']
  return {
    artifact,
    commit,
    repository: externalParameters.repository,
    author: typeof author === 'string' ? author : null,
    review: internalParameters?.review ?? null,
    listed,
    logged: log === null ? null : await readProof(store, log, { artifact, custom: custom.data, proof }),
  }
}

async function readProof(
  store: Store,
  log: string,
  { artifact, custom, proof }: { artifact: Digest; custom: PolicyCustom; proof: Digest | undefined },
): Promise<Checkpoint> {
  if (proof === undefined)
    throw new Failure('artifact-unlogged', `${artifact} was listed without a proof from the log`)
  const text = Buffer.from(await readBlob(store, proof, MAX_PROOF_BYTES)).toString('utf8')
  return checkLogged({ log, proof: text }, { artifact, custom })
}

/** Undefined = the target is another statement. */
export async function readRelease(store: Store, path: string, hex: string): Promise<Release | undefined> {
  const content = json(await readTarget(store, path, hex))
  const { schema } = (content ?? {}) as { schema?: unknown }
  if (schema !== Release.shape.schema.value) return undefined
  const parsed = Release.safeParse(content)
  if (!parsed.success) throw new Failure('artifact-untrusted', `${path} (${hex}) is no release`)
  return parsed.data
}

export async function readSuccess(
  store: Store,
  { path, hex }: { path: string; hex: string },
  director: Quorum,
): Promise<RingSuccess> {
  const envelope = await readTarget(store, path, hex)
  const success = openStatement(envelope, { type: PAYLOAD_TYPES.ringSuccess, schema: RingSuccess }, director)
  if (success !== undefined) return success
  throw new Failure('artifact-untrusted', `${path} (${hex}) is not signed by the release keys of its time`)
}

/** `release/denied.json`: what no release may name any more. */
export async function readDenials(store: Store, hex: string, director: Quorum): Promise<readonly Digest[]> {
  const envelope = await readTarget(store, DENIALS_TARGET, hex)
  const denials = openStatement(envelope, { type: PAYLOAD_TYPES.denials, schema: Denials }, director)
  if (denials !== undefined) return denials.denied
  throw new Failure(
    'artifact-untrusted',
    `${DENIALS_TARGET} (${hex}) is not signed by the release keys of its time`,
  )
}

/** How the rollout of that number ended, by any of the directors that the fleet has had; oldest first. */
export async function readEnds(
  store: Store,
  { number, artifact }: { number: number; artifact: Digest },
  directors: readonly Quorum[],
): Promise<RolloutEnd[]> {
  const ends: RolloutEnd[] = []
  for (const outcome of OUTCOMES) {
    const key = rolloutEndKey(number, outcome)
    const envelope = await store.get(key, MAX_ENVELOPE_BYTES)
    if (envelope === undefined) continue
    const expected = { type: PAYLOAD_TYPES.rolloutEnd, schema: RolloutEnd }
    const end = directors
      .map((director) => openStatement(envelope, expected, director))
      .find((each) => each !== undefined)
    if (end === undefined)
      throw new Failure('artifact-untrusted', `${key} is not signed by any director's keys`)
    if (end.number !== number || end.outcome !== outcome || end.artifact !== artifact)
      throw new Failure('artifact-untrusted', `${key} tells of another rollout`)
    ends.push(end)
  }
  return ends.sort((a, b) => a.endedAt - b.endedAt)
}

export async function readTarget(store: Store, path: string, hex: string): Promise<Uint8Array> {
  return expect(await store.get(targetKey(path, hex), MAX_STATEMENT_BYTES), `sha256:${hex}`, path)
}

async function readBlob(store: Store, digest: Digest, max: number): Promise<Uint8Array> {
  return expect(await store.get(blobKey(digest), max), digest, digest)
}

function expect(bytes: Uint8Array | undefined, digest: Digest, name: string): Uint8Array {
  if (bytes === undefined) throw new Failure('artifact-missing', `${name} (${digest}) is not in the store`)
  if (sha256(bytes) !== digest) throw new Failure('artifact-tampered', `the store's ${name} is not ${digest}`)
  return bytes
}

function openStatement<T>(
  envelope: Uint8Array,
  { type, schema }: { type: PayloadType; schema: z.ZodType<T> },
  { keys, threshold }: Quorum,
): T | undefined {
  const opened = open(json(envelope), { payloadType: type, threshold }, (keyid, message, signature) => {
    const key = keys.get(keyid)
    return key !== undefined && verify(null, message, key, signature)
  })
  if (!opened.ok) return undefined
  const parsed = schema.safeParse(json(opened.payload))
  return parsed.success ? parsed.data : undefined
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
}
