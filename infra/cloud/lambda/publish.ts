import { namedLogWriter } from '../../../functions/log/named-log.ts'
import { publishHandler } from '../../../functions/publish/handler.ts'
import { readDeployment } from '../deployment.ts'
import { ENVIRONMENT, need } from '../environment.ts'
import { openHere } from '../parts/here.ts'
import { openRepository } from '../parts/repository.ts'

const here = await openHere(process.env)
const deployment = readDeployment(need(process.env, ENVIRONMENT.settings))
const { repository, keys, trustedRoot } = await openRepository(process.env, here, deployment)
const entries = namedLogWriter({ ...here, signers: keys.log.signers, trustedRoot })

export const handler = publishHandler({ ...here, repository, entries })
