/** Behind the HTTP API: a webhook says that something may have happened. */
import { octokitSignatures } from '../../../functions/adapters/octokit-signatures.ts'
import { NO_PULLS } from '../../../functions/no-forge.ts'
import { receiveHandler } from '../../../functions/receive/handler.ts'
import { readDeployment } from '../deployment.ts'
import { ENVIRONMENT, need } from '../environment.ts'
import { openForge } from '../parts/forge.ts'
import { openHere } from '../parts/here.ts'
import { openLines } from '../parts/keys.ts'

const here = await openHere(process.env)
const deployment = readDeployment(need(process.env, ENVIRONMENT.settings))
const { name: repository, branch } = deployment.repository
const secrets = await openLines(process.env, deployment, 'webhook')

export const handler = receiveHandler({
  ...here,
  forge: await openForge(process.env),
  repository,
  branch,
  pulls: NO_PULLS,
  signatures: octokitSignatures(secrets),
})
