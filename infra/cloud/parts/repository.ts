import { Repository } from '../../../functions/trust/repository.ts'
import type { OnlineKeys } from '../../../functions/trust/roles.ts'
import { type Deployment, readTrustedRoot } from '../deployment.ts'
import { ENVIRONMENT, need, type Variables } from '../environment.ts'
import type { Here } from './here.ts'
import { openKeys } from './keys.ts'

/** The TUF repository, the keys that this function signs with, and the root that all is verified from. */
export async function openRepository(
  variables: Variables,
  { store, clock }: Here,
  deployment: Deployment,
): Promise<{ repository: Repository; keys: OnlineKeys; trustedRoot: Uint8Array }> {
  const keys = await openKeys(variables, deployment)
  const trustedRoot = readTrustedRoot(need(variables, ENVIRONMENT.settings))
  return { repository: new Repository({ store, keys, clock, trustedRoot }), keys, trustedRoot }
}
