/** tuf-js's door to the object store: every download has an end. */
import type { Fetcher } from 'tuf-js'
import { DownloadHTTPError } from 'tuf-js/dist/error.js'
import { Failure } from '../../pipelines/contract/failures.ts'
import { metadataKey } from '../../pipelines/contract/object-keys.ts'
import type { Store } from '../ports.ts'

/** tuf-js wants a URL before file names; it never leaves this file. */
export const METADATA_URL = 'store://metadata'
/**
 * Bytes of one metadata file, whatever the file before it says: a stolen online
 * key could name any length (endless data attack).
 */
const MAX_METADATA_BYTES = 8 * 1024 * 1024

/** `remember` hears every error, `keepRoot` every root that came (`root.<n>`), verified or not. */
export function storeFetcher(
  store: Store,
  remember: (error: unknown) => void,
  keepRoot: (name: string, text: string) => void,
): Fetcher {
  return {
    async downloadBytes(url, maxLength) {
      const file = url.slice(METADATA_URL.length + 1)
      const key = metadataKey(file)
      try {
        const bytes = await store.get(key, Math.min(maxLength, MAX_METADATA_BYTES))
        // tuf-js ends its walk over newer roots at a 404.
        if (bytes === undefined) throw new DownloadHTTPError(`${key} is not in the store`, 404)
        const root = /^(\d+)\.root\.json$/.exec(file)
        if (root !== null) keepRoot(`root.${root[1]}`, Buffer.from(bytes).toString())
        return Buffer.from(bytes)
      } catch (cause) {
        const known = cause instanceof Failure || cause instanceof DownloadHTTPError
        const error = known ? cause : new Failure('store-unavailable', `can't read ${key}`, { cause })
        remember(error)
        throw error
      }
    },
    downloadFile() {
      throw new Error('targets are read by the agent itself, in memory')
    },
  }
}
