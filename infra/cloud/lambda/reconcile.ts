/** By the clock: webhooks get lost, so the branch's head is compared with what was delivered. */
import { NO_PULLS } from '../../../functions/no-forge.ts'
import { storedPlans } from '../../../functions/plans.ts'
import { reconcileHandler } from '../../../functions/receive/handler.ts'
import { readDeployment } from '../deployment.ts'
import { ENVIRONMENT, need } from '../environment.ts'
import { openForge } from '../parts/forge.ts'
import { openHere } from '../parts/here.ts'

const here = await openHere(process.env)
const deployment = readDeployment(need(process.env, ENVIRONMENT.settings))

export const handler = reconcileHandler({
  ...here,
  forge: await openForge(process.env),
  pulls: NO_PULLS,
  plans: storedPlans({ ...here, pulls: NO_PULLS }),
  branch: deployment.repository.branch,
})
