import { type EdgePorts, type SqsHandler, sqsHandler } from '../sqs.ts'
import { type PlanPorts, plan } from './plan.ts'

export function planHandler(ports: PlanPorts & EdgePorts): SqsHandler {
  return sqsHandler(ports, 'plan', (event) => plan(ports, event))
}
