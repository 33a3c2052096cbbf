/** The store as whoever checks it reads it: a directory, a web address or a bucket, every object bounded. */
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { httpStore } from '../../agent/adapters/http-store.ts'
import type { Store } from '../../agent/ports.ts'
import type { ObjectStore } from '../../functions/ports.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { isObjectKey } from '../../pipelines/contract/object-keys.ts'
import { readerAddress, type S3Address, writerAddress } from '../../pipelines/contract/store-address.ts'
import { absoluteAddress } from '../store/open-store.ts'

/** Bytes: nearly every object of a history fits, and is read by one call. */
const FIRST_READ = 262_144

export function openStore(address: string): Store {
  // What who writes says of a bucket is no matter here: one address serves all commands.
  const absolute = absoluteAddress(address)
  const where = absolute.startsWith('http') ? readerAddress(absolute) : writerAddress(absolute)
  switch (where.kind) {
    case 'directory':
      return directoryStore(where.path)
    case 'http':
      return httpStore(where.url)
    case 's3':
      return bucketStore(where)
  }
}

/** The SDK is loaded with the first question. */
function bucketStore(address: S3Address): Store {
  let store: Promise<Store> | undefined
  return {
    async get(key, maxBytes) {
      store ??= import('../../agent/adapters/s3-store.ts').then(({ s3Store }) => s3Store(address))
      return (await store).get(key, maxBytes)
    },
  }
}

/** For what the functions' side reads with; nothing here is ever written, so versions have no name. */
export function readOnly(store: Store): Pick<ObjectStore, 'get'> {
  return {
    async get(key, maxBytes) {
      const bytes = await store.get(key, maxBytes)
      return bytes && { bytes, version: '' }
    },
  }
}

/**
 * Reads at once, not through the thread pool: an audit waits for nothing else, and a history of 10,000 releases is
 * 200,000 small files.
 */
function directoryStore(root: string): Store {
  let buffer = Buffer.alloc(FIRST_READ)
  return {
    async get(key, maxBytes) {
      if (!isObjectKey(key)) throw new Failure('store-unavailable', `${key} is no object key`)
      let file: number
      try {
        file = openSync(join(root, key), 'r')
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw new Failure('store-unavailable', `can't read ${key}`, { cause })
      }
      try {
        let filled = 0
        for (;;) {
          const read = readSync(file, buffer, filled, Math.min(buffer.length, maxBytes + 1) - filled, filled)
          filled += read
          if (filled > maxBytes)
            throw new Failure('store-too-large', `${key} has more than ${maxBytes} bytes`)
          if (read === 0) return new Uint8Array(buffer.subarray(0, filled))
          if (filled === buffer.length) buffer = Buffer.concat([buffer, buffer])
        }
      } catch (cause) {
        if (cause instanceof Failure) throw cause
        throw new Failure('store-unavailable', `can't read ${key}`, { cause })
      } finally {
        closeSync(file)
      }
    },
  }
}
