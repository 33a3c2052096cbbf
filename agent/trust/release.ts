/** Which release the director signed for our ring, and whether it is our turn. */
import { open, PAYLOAD_TYPES } from '../../pipelines/contract/dsse.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { releaseTarget, successTarget } from '../../pipelines/contract/object-keys.ts'
import { Release, RingSuccess } from '../../pipelines/contract/release.ts'
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
  const success = openSuccess(metadata, bytes)
  if (success.ring !== node.previousRing) return outOfOrder(`the success is that of ring ${success.ring}`)
  if (success.number !== release.number || success.artifact !== release.artifact) {
    return outOfOrder(`ring ${success.ring} succeeded with release ${success.number}, not ${release.number}`)
  }
  return text(bytes)
}

/** A RingSuccess that the director's keys signed. Throws Failure('artifact-untrusted'). */
function openSuccess(metadata: TrustedMetadata, envelope: Uint8Array): RingSuccess {
  const signers = metadata.signers('release')
  const expected = { payloadType: PAYLOAD_TYPES.ringSuccess, threshold: signers.threshold }
  const opened = open(parse(envelope), expected, signers.verify)
  if (!opened.ok) throw new Failure('artifact-untrusted', `ring success: ${opened.why}`)
  return decode(opened.payload, RingSuccess, 'artifact-untrusted', 'ring success')
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
