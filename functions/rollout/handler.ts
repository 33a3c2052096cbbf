import { type EdgePorts, type SqsHandler, sqsHandler } from '../sqs.ts'
import { type RolloutPorts, rollout } from './rollout.ts'

export function rolloutHandler(ports: RolloutPorts & EdgePorts): SqsHandler {
  return sqsHandler(ports, 'rollout', (event) => rollout(ports, event))
}
