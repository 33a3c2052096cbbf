/** One door to every object store: by its address (pipelines/contract/store-address.ts). */
import { resolve } from 'node:path'
import { openFsStore } from '../../functions/adapters/fs-store.ts'
import type { Clock, ObjectStore } from '../../functions/ports.ts'
import { writerAddress } from '../../pipelines/contract/store-address.ts'

/** To write, and so to read. Throws Failure('schema-violation' | 'store-unfit' | 'store-denied' | 'store-unavailable'). */
export async function openStore(address: string, clock: Clock): Promise<ObjectStore> {
  const where = writerAddress(address)
  if (where.kind === 'directory') return openFsStore(where.path)
  // The SDK takes time to load, and most stacks and commands need none.
  const { openS3Store } = await import('../../functions/adapters/s3-store.ts')
  return openS3Store(where, clock)
}

/** What somebody wrote, with a relative directory taken from `base`. */
export function absoluteAddress(said: string, base = '.'): string {
  return /^[a-z0-9]+:/.test(said) ? said : resolve(base, said)
}
