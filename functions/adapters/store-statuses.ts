/** Commit statuses in the object store, one object a commit, changed by compare-and-swap. */
import { CommitStatus, following, isFurther } from '../../pipelines/contract/commit-status.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { statusKey } from '../../pipelines/contract/object-keys.ts'
import type { ObjectStore, Statuses } from '../ports.ts'

/** Bytes: a thousand findings of 4 KiB. */
const MAX_BYTES = 4 * 1024 * 1024
/** Lost races before the post is left to the next delivery; each means that somebody else's word is there. */
const MAX_ATTEMPTS = 16

/** Throws Failure('store-unavailable' | 'store-conflict'). */
export function storeStatuses(store: ObjectStore): Statuses {
  const read = async (commit: string) => {
    const object = await store.get(statusKey(commit), MAX_BYTES)
    if (object === undefined) return undefined
    const status = CommitStatus.parse(JSON.parse(Buffer.from(object.bytes).toString('utf8')))
    return { status, version: object.version }
  }
  return {
    get: async (commit) => (await read(commit))?.status,
    async post(commit, status) {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const current = await read(commit)
        if (current !== undefined && !isFurther(status, current.status)) return
        const content = JSON.stringify(following(status, current?.status))
        const bytes = new Uint8Array(Buffer.from(content))
        try {
          await store.replace(statusKey(commit), bytes, current?.version)
          return
        } catch (error) {
          if (!(error instanceof Failure && error.code === 'store-conflict')) throw error
        }
      }
      throw new Failure('store-conflict', `lost ${MAX_ATTEMPTS} races for the status of ${commit}`)
    },
  }
}
