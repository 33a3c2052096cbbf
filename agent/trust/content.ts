/** Content that metadata names: bounded before it is read, its digest checked before it is used. */
import type { TargetFile } from '@tufjs/models'
import type { z } from 'zod'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { Failure, type FailureCode } from '../../pipelines/contract/failures.ts'
import { blobKey, hexOf, targetKey } from '../../pipelines/contract/object-keys.ts'
import { sha256 } from '../cache.ts'
import type { Store } from '../ports.ts'

/** Bytes of a target that is JSON; manifests with 1,024 blocks stay below it. */
export const MAX_TARGET_BYTES = 8 * 1024 * 1024

/** Bytes of a target file. Throws 'artifact-missing', 'artifact-tampered', 'store-too-large'. */
export async function readTarget(store: Store, target: TargetFile, maxBytes: number): Promise<Uint8Array> {
  const hex = target.hashes['sha256']
  if (hex === undefined || !/^[0-9a-f]{64}$/.test(hex)) {
    throw new Failure('artifact-untrusted', `target ${target.path} has no sha256`)
  }
  const key = targetKey(target.path, hex)
  return expect(await read(store, key, target.length, maxBytes), `sha256:${hex}`, target.length, key)
}

/** A blob by digest and length. Throws as readTarget does. */
export async function readStoreBlob(
  store: Store,
  digest: Digest,
  size: { bytes?: number; max: number },
): Promise<Uint8Array> {
  const key = blobKey(digest)
  return expect(await read(store, key, size.bytes ?? size.max, size.max), digest, size.bytes, key)
}

/** JSON of a given shape. Throws the code that the caller gives. */
export function decode<T>(bytes: Uint8Array, schema: z.ZodType<T>, code: FailureCode, what: string): T {
  try {
    return schema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
  } catch (cause) {
    throw new Failure(code, `${what} is malformed`, { cause })
  }
}

async function read(store: Store, key: string, bytes: number, maxBytes: number): Promise<Uint8Array> {
  if (bytes > maxBytes) {
    throw new Failure('store-too-large', `${key} is said to have ${bytes} bytes; the limit is ${maxBytes}`)
  }
  const found = await store.get(key, bytes)
  if (found === undefined) throw new Failure('artifact-missing', `${key} is not in the store`)
  return found
}

function expect(bytes: Uint8Array, digest: Digest, length: number | undefined, key: string): Uint8Array {
  if ((length !== undefined && bytes.length !== length) || sha256(bytes) !== digest) {
    throw new Failure('artifact-tampered', `${key} is not the content that was signed (${hexOf(digest)})`)
  }
  return bytes
}
