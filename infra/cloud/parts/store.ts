import type { ObjectStore } from '../../../functions/ports.ts'
import { ENVIRONMENT, locationOf, type Variables } from '../environment.ts'

/** The bucket, or a directory that plays it. Each adapter is loaded only where it is used. */
export async function openStore(variables: Variables): Promise<ObjectStore> {
  const { kind, place } = locationOf(variables, ENVIRONMENT.store)
  if (kind === 's3') throw new Error(`no adapter for s3://${place} yet`)
  const { openFsStore } = await import('../../../functions/adapters/fs-store.ts')
  return openFsStore(place)
}
