import { type EdgePorts, type SqsHandler, sqsBatchHandler } from '../sqs.ts'
import { type RolloutPorts, rollout } from './rollout.ts'

/** A fleet's reports come in crowds: each batch is one look at the state. */
export function rolloutHandler(ports: RolloutPorts & EdgePorts): SqsHandler {
  return sqsBatchHandler(ports, 'rollout', (events) =>
    rollout(
      ports,
      events.map(({ cause }) => cause),
    ),
  )
}
