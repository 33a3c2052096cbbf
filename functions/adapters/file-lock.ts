/**
 * A lock on a file that the kernel takes back when its holder dies, whatever way it dies: flock(2).
 * A lock file with a process id in it can't promise that (reused ids, races while stealing).
 */
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'
import { Failure } from '../../pipelines/contract/failures.ts'

const LOCK_EX = 2
const LOCK_NB = 4
/** Milliseconds between two tries; a holder keeps the lock for a few writes to disk. */
const RETRY_MS = 2

type Flock = (descriptor: number, operation: number) => number
let flock: Flock | undefined

/** Takes the lock or tells at once that somebody has it. The returned function lets go of it. */
export function tryLock(path: string): (() => void) | undefined {
  flock ??= koffi.load('libc.so.6').func('int flock(int descriptor, int operation)') as unknown as Flock
  const descriptor = openSync(path, 'a', 0o600)
  if (flock(descriptor, LOCK_EX | LOCK_NB) === 0) return once(() => closeSync(descriptor))
  closeSync(descriptor)
  return undefined
}

/** Runs `work` under the lock. Throws Failure('store-unavailable') when it isn't free within `tries`. */
export async function withLock<T>(path: string, tries: number, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < tries; attempt++) {
    const release = tryLock(path)
    if (release !== undefined) {
      try {
        return await work()
      } finally {
        release()
      }
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
  throw new Failure('store-unavailable', `${path} stayed locked`)
}

/** A descriptor closed twice may be somebody else's by then. */
function once(act: () => void): () => void {
  let done = false
  return () => {
    if (!done) act()
    done = true
  }
}
