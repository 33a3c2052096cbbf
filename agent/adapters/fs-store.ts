/** Object store in a directory, the reading side: one file an object. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../pipelines/contract/failures.ts'
import { isObjectKey } from '../../pipelines/contract/object-keys.ts'
import type { Store } from '../ports.ts'

export function fsStore(root: string): Store {
  return {
    async get(key, maxBytes) {
      if (!isObjectKey(key)) throw new Failure('store-unavailable', `${key} is no object key`)
      try {
        return await readBounded(join(root, key), key, maxBytes)
      } catch (cause) {
        if (cause instanceof Failure) throw cause
        if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
        throw new Failure('store-unavailable', `can't read ${key}`, { cause })
      }
    },
  }
}

/** Reads one byte more than allowed at most, whatever the file's size says. */
async function readBounded(path: string, key: string, maxBytes: number): Promise<Uint8Array> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const buffer = Buffer.alloc(Math.min(size, maxBytes) + 1)
    let filled = 0
    while (filled < buffer.length) {
      const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    if (filled > maxBytes) throw new Failure('store-too-large', `${key} has more than ${maxBytes} bytes`)
    return buffer.subarray(0, filled)
  } finally {
    await handle.close()
  }
}
