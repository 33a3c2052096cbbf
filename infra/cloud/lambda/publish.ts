import { publishHandler } from '../../../functions/publish/handler.ts'
import { readDeployment } from '../deployment.ts'
import { ENVIRONMENT, need } from '../environment.ts'
import { openHere } from '../parts/here.ts'
import { openRepository } from '../parts/repository.ts'

const here = await openHere(process.env)
const deployment = readDeployment(need(process.env, ENVIRONMENT.settings))
const { repository } = await openRepository(process.env, here, deployment)

export const handler = publishHandler({ ...here, repository })
