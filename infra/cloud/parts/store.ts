import { fileURLToPath } from 'node:url'
import type { Clock, ObjectStore } from '../../../functions/ports.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'
import { bucketAddress } from '../../../pipelines/contract/store-address.ts'
import { ENVIRONMENT, need, type Variables } from '../environment.ts'

/** The bucket, or a directory that plays it. Each adapter is loaded only where it is used. */
export async function openStore(variables: Variables, clock: Clock): Promise<ObjectStore> {
  const said = need(variables, ENVIRONMENT.store)
  if (said.startsWith('file:')) {
    const { openFsStore } = await import('../../../functions/adapters/fs-store.ts')
    return openFsStore(fileURLToPath(said))
  }
  const address = bucketAddress(said)
  if (address.lockDays !== undefined) {
    // Its own rule locks what is put into it; a function has no right to choose for how long.
    throw new Failure('schema-violation', `${said}: the stack's bucket says itself how long it keeps objects`)
  }
  const { S3Store } = await import('../../../functions/adapters/s3-store.ts')
  // Not asked what it keeps, as elsewhere: the stack made it so, and a function may not look.
  return new S3Store(address, clock)
}
