/** Which artifact the director lets judge beside what our ring enforces, and that it may be loaded. */
import { Failure } from '../../pipelines/contract/failures.ts'
import { shadowTarget } from '../../pipelines/contract/object-keys.ts'
import { Shadow } from '../../pipelines/contract/release.ts'
import { putBlob } from '../cache.ts'
import type { Node } from '../node.ts'
import { checkSkew } from '../skew.ts'
import { checkCode, checkKernel, readElf, readManifest, readProvenance } from './artifact.ts'
import { decode, MAX_TARGET_BYTES, readTarget } from './content.ts'
import type { TrustedMetadata } from './metadata.ts'

/** Null = none. A number is compared with nothing: metadata does not go back, and nothing is enforced. */
export async function readShadow(node: Node, metadata: TrustedMetadata): Promise<Shadow | null> {
  const target = metadata.target('release', shadowTarget(node.ring))
  if (target === undefined) return null
  const bytes = await readTarget(node.store, target, MAX_TARGET_BYTES)
  const shadow = decode(bytes, Shadow, 'artifact-untrusted', target.path)
  if (shadow.ring === node.ring) return shadow
  throw new Failure('release-wrong-ring', `shadow ${shadow.number} is for ring ${shadow.ring}`)
}

/**
 * The same three signatures as for a release; its programs run in this kernel. No ring has to have succeeded
 * with it: it refuses nothing and lets nothing in.
 */
export async function verifyShadow(node: Node, metadata: TrustedMetadata, shadow: Shadow): Promise<void> {
  const { artifact } = shadow
  const { manifest, bytes, custom } = await readManifest(node.store, metadata, artifact)
  await checkKernel(node.kernel, manifest)
  await readProvenance(node.store, metadata, { artifact, manifest, custom })
  const elf = await readElf(node.store, manifest)
  await checkCode(node.store, metadata, { manifest, elf })
  // It is called by what is attached already.
  checkSkew(manifest.abi, manifest.abi, await node.kernel.inspect())
  await putBlob(node.disk, bytes)
  await putBlob(node.disk, elf)
}
