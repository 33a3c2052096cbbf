/** The director. It runs one invocation at a time; two at once would only lose races. */
import type { Bus } from '../../../functions/ports.ts'
import { rolloutHandler } from '../../../functions/rollout/handler.ts'
import { readDeployment } from '../deployment.ts'
import { ENVIRONMENT, need } from '../environment.ts'
import { openForge } from '../parts/forge.ts'
import { openHere } from '../parts/here.ts'
import { openRepository } from '../parts/repository.ts'

/** Nodes look by their timers; reports come through the queue. */
const NO_BUS: Bus = { hint: async () => {}, onReport: () => {}, close: async () => {} }

const here = await openHere(process.env)
const deployment = readDeployment(need(process.env, ENVIRONMENT.settings))
const { rings, soakMs, repository: policies } = deployment
const { repository, keys } = await openRepository(process.env, here, deployment)

export const handler = rolloutHandler({
  ...here,
  forge: await openForge(process.env),
  bus: NO_BUS,
  repository,
  director: keys.release,
  plan: { rings, soakMs },
  branch: policies.branch,
  applied: { revision: null },
})
