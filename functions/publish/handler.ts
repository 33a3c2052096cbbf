import { type EdgePorts, type SqsHandler, sqsHandler } from '../sqs.ts'
import { type PublishPorts, publish } from './publish.ts'

export function publishHandler(ports: PublishPorts & EdgePorts): SqsHandler {
  return sqsHandler(ports, 'publish', (event) => publish(ports, event))
}
