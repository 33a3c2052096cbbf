import { createHash } from 'node:crypto'
import type { ObjectStore } from '../../functions/ports.ts'
import { Failure } from '../../pipelines/contract/failures.ts'

const versionOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Objects in memory; `objects` is open for tests to look at and to tamper with. */
export function memoryStore(): ObjectStore & { objects: Map<string, Uint8Array> } {
  const objects = new Map<string, Uint8Array>()
  return {
    objects,
    async get(key, maxBytes) {
      const bytes = objects.get(key)
      if (bytes === undefined) return undefined
      if (bytes.length > maxBytes) throw new Failure('store-too-large', `${key} is larger than ${maxBytes}`)
      return { bytes: bytes.slice(), version: versionOf(bytes) }
    },
    async create(key, bytes) {
      if (objects.has(key)) return 'exists'
      objects.set(key, bytes.slice())
      return 'created'
    },
    async replace(key, bytes, ifVersion) {
      const current = objects.get(key)
      if ((current && versionOf(current)) !== ifVersion)
        throw new Failure('store-conflict', `${key} has changed`)
      objects.set(key, bytes.slice())
      return versionOf(bytes)
    },
  }
}
