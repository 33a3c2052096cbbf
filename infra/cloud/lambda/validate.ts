import { nodePolicyReader } from '../../../functions/adapters/node-policy-reader.ts'
import { NO_PULLS, NO_REVIEWS } from '../../../functions/no-forge.ts'
import { validateHandler } from '../../../functions/validate/handler.ts'
import { readDeployment } from '../deployment.ts'
import { ENVIRONMENT, need } from '../environment.ts'
import { openForge } from '../parts/forge.ts'
import { openHere } from '../parts/here.ts'

const here = await openHere(process.env)
const deployment = readDeployment(need(process.env, ENVIRONMENT.settings))
const { name: repository, branch } = deployment.repository

export const handler = validateHandler({
  ...here,
  forge: await openForge(process.env),
  pulls: NO_PULLS,
  reviews: NO_REVIEWS,
  reader: nodePolicyReader(),
  repository,
  branch,
})
