/** By the clock: webhooks get lost, so the branch's head is compared with what was delivered. */
import { reconcile } from '../../local/reconciler.ts'
import { readDeployment } from '../deployment.ts'
import { ENVIRONMENT, need } from '../environment.ts'
import { openForge } from '../parts/forge.ts'
import { openHere } from '../parts/here.ts'

const here = await openHere(process.env)
const deployment = readDeployment(need(process.env, ENVIRONMENT.settings))
const ports = {
  ...here,
  forge: await openForge(process.env),
  branch: deployment.repository.branch,
}

export const handler = (): Promise<void> => reconcile(ports)
