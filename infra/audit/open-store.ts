/** The store as whoever checks it reads it: a directory or a web address, every object bounded. */
import { closeSync, openSync, readSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { httpStore } from '../../agent/adapters/http-store.ts'
import type { Store } from '../../agent/ports.ts'
import type { ObjectStore } from '../../functions/ports.ts'
import { Failure } from '../../pipelines/contract/failures.ts'

/** Names as the writer makes them; nothing that could leave the directory. */
const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/
/** Bytes: nearly every object of a history fits, and is read by one call. */
const FIRST_READ = 262_144

export function openStore(address: string): Store {
  return /^https?:/.test(address) ? httpStore(address) : directoryStore(resolve(address))
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
      if (!KEY.test(key)) throw new Failure('store-unavailable', `${key} is no object key`)
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
