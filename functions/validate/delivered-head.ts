/**
 * The head that was delivered last, by which a forced push is known: history tells what is newer, but
 * not what stood on the branch before. Deciding nothing: the forced head is delivered like any other.
 */
import { z } from 'zod'
import { Commit } from '../../pipelines/contract/events.ts'
import { HEAD_KEY } from '../../pipelines/contract/object-keys.ts'
import type { Forge, ObjectStore } from '../ports.ts'

const Head = z.strictObject({ schema: z.literal('heddle.head/1'), commit: Commit })
const MAX_HEAD_BYTES = 1024

type Delivered = { commit: string | undefined; version: string | undefined }

export async function deliveredHead(store: ObjectStore): Promise<Delivered> {
  const object = await store.get(HEAD_KEY, MAX_HEAD_BYTES)
  if (object === undefined) return { commit: undefined, version: undefined }
  const { commit } = Head.parse(JSON.parse(Buffer.from(object.bytes).toString('utf8')))
  return { commit, version: object.version }
}

/** The delivered head that `commit`, head now, does not descend from: a forced push took it off the branch. */
export async function replacedBy(
  forge: Forge,
  commit: string,
  delivered: string | undefined,
): Promise<string | undefined> {
  if (delivered === undefined || delivered === commit) return undefined
  return (await forge.contains(commit, delivered)) ? undefined : delivered
}

/** Throws Failure('store-conflict') when another head was faster; the next try sees it. */
export async function rememberHead(store: ObjectStore, commit: string, before: Delivered): Promise<void> {
  if (before.commit === commit) return
  const bytes = new Uint8Array(Buffer.from(JSON.stringify({ schema: 'heddle.head/1', commit })))
  await store.replace(HEAD_KEY, bytes, before.version)
}
