/** The director. Two may run at once: the state is changed by compare-and-swap. */
import type { Bus } from '../../../functions/ports.ts'
import { rolloutHandler } from '../../../functions/rollout/handler.ts'
import { planOf } from '../../local/host-config.ts'
import { readDeployment } from '../deployment.ts'
import { ENVIRONMENT, need } from '../environment.ts'
import { openForge } from '../parts/forge.ts'
import { openHere } from '../parts/here.ts'
import { openRepository } from '../parts/repository.ts'

/** Nodes look by their timers; reports come through the queue. */
const NO_BUS: Bus = {
  hint: async () => {},
  tellEnd: async () => {},
  onReport: () => {},
  close: async () => {},
}

const here = await openHere(process.env)
const deployment = readDeployment(need(process.env, ENVIRONMENT.settings))
const { repository, keys } = await openRepository(process.env, here, deployment)

export const handler = rolloutHandler({
  ...here,
  forge: await openForge(process.env),
  bus: NO_BUS,
  repository,
  director: keys.release,
  operators: deployment.operators,
  plan: planOf(deployment),
  branch: deployment.repository.branch,
  applied: { revision: null, known: null },
})
