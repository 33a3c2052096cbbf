/**
 * Object store in a directory: one file an object. Writes go to a temporary file, to the disk, and
 * then appear by link(2) (create-only) or rename(2) (replace): kill -9 leaves old or new, never half.
 */
import { createHash } from 'node:crypto'
import { link, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Failure } from '../../pipelines/contract/failures.ts'
import { isObjectKey } from '../../pipelines/contract/object-keys.ts'
import type { ObjectStore, StoredObject } from '../ports.ts'
import { makeDirectory, removeLeftovers, syncDirectory, writeTemporary } from './durable-file.ts'
import { withLock } from './file-lock.ts'

const MAX_REPLACED_BYTES = 64 * 1024 * 1024
/** Times 2 ms: how long a replace waits for another process's. */
const LOCK_TRIES = 2500

/** Opens or makes the store. */
export async function openFsStore(root: string): Promise<ObjectStore> {
  const temporary = join(root, '.temporary')
  await makeDirectory(temporary)
  await removeLeftovers(temporary)
  return new FsStore(root, temporary)
}

class FsStore implements ObjectStore {
  readonly #root: string
  readonly #temporary: string

  constructor(root: string, temporary: string) {
    this.#root = root
    this.#temporary = temporary
  }

  async get(key: string, maxBytes: number): Promise<StoredObject | undefined> {
    const bytes = await readBounded(this.#path(key), maxBytes)
    return bytes === undefined ? undefined : { bytes, version: versionOf(bytes) }
  }

  async create(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    const path = this.#path(key)
    const written = await this.#write(dirname(path), bytes, 0o444)
    try {
      await link(written, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unavailable(error)
      // Whoever made it may have died before its name was on the disk: 'exists' promises that it is.
      await syncDirectory(dirname(path))
      return 'exists'
    } finally {
      await rm(written, { force: true })
    }
    await syncDirectory(dirname(path))
    return 'created'
  }

  async replace(key: string, bytes: Uint8Array, ifVersion: string | undefined): Promise<string> {
    const path = this.#path(key)
    return withLock(join(this.#root, '.lock'), LOCK_TRIES, async () => {
      const current = await this.get(key, MAX_REPLACED_BYTES)
      if (current?.version !== ifVersion) throw new Failure('store-conflict', `${key} has changed`)
      await rename(await this.#write(dirname(path), bytes), path)
      await syncDirectory(dirname(path))
      return versionOf(bytes)
    })
  }

  /** A new file beside the objects, and the folder that it will go to. */
  async #write(folder: string, bytes: Uint8Array, mode?: number): Promise<string> {
    try {
      await makeDirectory(folder)
      return await writeTemporary(this.#temporary, bytes, mode)
    } catch (error) {
      throw unavailable(error)
    }
  }

  #path(key: string): string {
    if (!isObjectKey(key)) throw new RangeError(`not an object key: ${key}`)
    return join(this.#root, key)
  }
}

/** Bounded before read: the size is asked of the open file, and a file that grows meanwhile is cut off. */
async function readBounded(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw unavailable(error)
  }
  try {
    const { size } = await file.stat()
    if (size > maxBytes) throw new Failure('store-too-large', `${path} has ${size} bytes, limit ${maxBytes}`)
    const buffer = new Uint8Array(size)
    let at = 0
    while (at < size) {
      const { bytesRead } = await file.read(buffer, at, size - at, at)
      if (bytesRead === 0) break
      at += bytesRead
    }
    return buffer.subarray(0, at)
  } finally {
    await file.close()
  }
}

const versionOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const unavailable = (cause: unknown): Failure =>
  new Failure('store-unavailable', `the store's disk does not answer: ${(cause as Error).message}`, { cause })
