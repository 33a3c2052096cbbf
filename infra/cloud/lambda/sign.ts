import { signHandler } from '../../../functions/sign/handler.ts'
import { readDeployment } from '../deployment.ts'
import { ENVIRONMENT, need } from '../environment.ts'
import { openHere } from '../parts/here.ts'
import { openKeys } from '../parts/keys.ts'

const here = await openHere(process.env)
const deployment = readDeployment(need(process.env, ENVIRONMENT.settings))
const { policy: builder } = await openKeys(process.env, deployment)

export const handler = signHandler({ ...here, builder, builderId: deployment.builderId })
