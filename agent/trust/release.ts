/** Which release the director signed for our ring, and whether it is our turn. */
import type { z } from 'zod'
import { open, type PayloadType, PAYLOAD_TYPES } from '../../pipelines/contract/dsse.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { DENIALS_TARGET, releaseTarget, successTarget } from '../../pipelines/contract/object-keys.ts'
import { Denials, Release, RingSuccess } from '../../pipelines/contract/release.ts'
import { turnOf } from '../../pipelines/rollout/turns.ts'
import type { Node } from '../node.ts'
import { decode, MAX_TARGET_BYTES, readTarget } from './content.ts'
import type { TrustedMetadata } from './metadata.ts'

export type SignedRelease = { release: Release; raw: string }

/** The release of our ring; undefined when the director has named none yet. */
export async function readRelease(node: Node, metadata: TrustedMetadata): Promise<SignedRelease | undefined> {
  const target = metadata.target('release', releaseTarget(node.ring))
  if (target === undefined) return undefined
  const bytes = await readTarget(node.store, target, MAX_TARGET_BYTES)
  return { release: decode(bytes, Release, 'artifact-untrusted', target.path), raw: text(bytes) }
}

/** Right ring, and a number that only grows (rollback attack, also after restart). */
export function checkRelease(node: Node, release: Release): void {
  if (release.ring !== node.ring) {
    throw new Failure('release-wrong-ring', `release ${release.number} is for ring ${release.ring}`)
  }
  const { accepted } = node.state.current
  if (accepted === null || release.number > accepted.number) return
  if (release.number === accepted.number && release.artifact === accepted.artifact) return
  throw new Failure(
    'release-replayed',
    `release ${release.number} (${release.artifact}) after ${accepted.number} (${accepted.artifact})`,
  )
}

/** A ring takes a release some nodes at a time: is it this one's turn? */
export function isOurTurn(node: Node, { rollout, through }: Release): boolean {
  return turnOf(rollout, node.name) <= through
}

/** An artifact that was taken back comes no more, whoever releases it. Throws Failure('artifact-denied'). */
export async function checkDenials(node: Node, metadata: TrustedMetadata, release: Release): Promise<void> {
  const target = metadata.target('release', DENIALS_TARGET)
  if (target === undefined) return
  const bytes = await readTarget(node.store, target, MAX_TARGET_BYTES)
  const expected = { type: PAYLOAD_TYPES.denials, schema: Denials, what: 'denials' }
  const { denied } = openDirectors(metadata, bytes, expected)
  if (!denied.includes(release.artifact)) return
  throw new Failure('artifact-denied', `release ${release.number} names ${release.artifact}, which is denied`)
}

/**
 * The signed word that the ring before ours has soaked with this very release;
 * null for the first ring. Nodes check the order themselves, so that a stolen
 * online key can't send a release everywhere at once.
 */
export async function checkRingOrder(
  node: Node,
  metadata: TrustedMetadata,
  release: Release,
): Promise<string | null> {
  if (node.previousRing === null) return null
  const target = metadata.target('release', successTarget(node.previousRing))
  if (target === undefined) return outOfOrder(`ring ${node.previousRing} has not succeeded yet`)
  const bytes = await readTarget(node.store, target, MAX_TARGET_BYTES)
  const expected = { type: PAYLOAD_TYPES.ringSuccess, schema: RingSuccess, what: 'ring success' }
  const success = openDirectors(metadata, bytes, expected)
  if (success.ring !== node.previousRing) return outOfOrder(`the success is that of ring ${success.ring}`)
  if (success.number !== release.number || success.artifact !== release.artifact) {
    return outOfOrder(`ring ${success.ring} succeeded with release ${success.number}, not ${release.number}`)
  }
  return text(bytes)
}

/** A statement that the director's keys signed. Throws Failure('artifact-untrusted'). */
function openDirectors<T>(
  metadata: TrustedMetadata,
  envelope: Uint8Array,
  { type, schema, what }: { type: PayloadType; schema: z.ZodType<T>; what: string },
): T {
  const signers = metadata.signers('release')
  const opened = open(parse(envelope), { payloadType: type, threshold: signers.threshold }, signers.verify)
  if (!opened.ok) throw new Failure('artifact-untrusted', `${what}: ${opened.why}`)
  return decode(opened.payload, schema, 'artifact-untrusted', what)
}

/** JSON, or undefined: the envelope's schema then says no. */
export function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(text(bytes))
  } catch {
    return undefined
  }
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

function outOfOrder(why: string): never {
  throw new Failure('release-out-of-order', why)
}
