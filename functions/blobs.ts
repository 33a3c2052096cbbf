/** Content-addressed blobs. */
import type { z } from 'zod'
import type { Digest } from '../pipelines/contract/artifact.ts'
import { canonicalJson, type Json } from '../pipelines/contract/canonical-json.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import { blobKey } from '../pipelines/contract/object-keys.ts'
import type { ObjectStore } from './ports.ts'
import { sha256Hex } from './trust/metadata.ts'

/** Bytes of a blob of ours that is JSON. */
const MAX_JSON_BYTES = 64 * 1024 * 1024

export async function putBlob(store: ObjectStore, bytes: Uint8Array): Promise<Digest> {
  const digest: Digest = `sha256:${sha256Hex(bytes)}`
  await store.create(blobKey(digest), bytes)
  return digest
}

export const putJson = (store: ObjectStore, value: object): Promise<Digest> =>
  putBlob(store, new Uint8Array(Buffer.from(canonicalJson(value as Json))))

/** Bytes whose digest was checked. Throws Failure('artifact-missing' | 'artifact-tampered'). */
export async function getBlob(
  store: Pick<ObjectStore, 'get'>,
  digest: Digest,
  maxBytes = MAX_JSON_BYTES,
): Promise<Uint8Array> {
  const object = await store.get(blobKey(digest), maxBytes)
  if (object === undefined) throw new Failure('artifact-missing', `${digest} is not in the store`)
  if (`sha256:${sha256Hex(object.bytes)}` !== digest) {
    throw new Failure('artifact-tampered', `the store's bytes are not ${digest}`)
  }
  return object.bytes
}

export async function getJson<T>(
  store: Pick<ObjectStore, 'get'>,
  digest: Digest,
  schema: z.ZodType<T>,
): Promise<T> {
  return schema.parse(JSON.parse(Buffer.from(await getBlob(store, digest)).toString('utf8')))
}
