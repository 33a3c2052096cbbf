import { Updater } from 'tuf-js'
import { DownloadHTTPError } from 'tuf-js/dist/error.js'
import type { ObjectStore } from '../../functions/ports.ts'

/** Plain tuf-js over an object store; `directory` holds root.json, the pinned root. */
export function tufReader(store: ObjectStore, directory: string): Updater {
  const downloadBytes = async (url: string, maxLength: number): Promise<Buffer> => {
    const object = await store.get(url.replace('store://x/', 'tuf/'), maxLength)
    if (object === undefined) throw new DownloadHTTPError('not there', 404)
    return Buffer.from(object.bytes)
  }
  const downloadFile = () => Promise.reject(new Error('this reader reads metadata only'))
  return new Updater({
    metadataDir: directory,
    metadataBaseUrl: 'store://x',
    fetcher: { downloadBytes, downloadFile },
  })
}
