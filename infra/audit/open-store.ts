/** The store as whoever checks it reads it: a directory or a web address, every object bounded. */
import { resolve } from 'node:path'
import { fsStore } from '../../agent/adapters/fs-store.ts'
import { httpStore } from '../../agent/adapters/http-store.ts'
import type { Store } from '../../agent/ports.ts'
import type { ObjectStore } from '../../functions/ports.ts'

export function openStore(address: string): Store {
  return /^https?:/.test(address) ? httpStore(address) : fsStore(resolve(address))
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
