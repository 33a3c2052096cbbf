import { type EdgePorts, type SqsHandler, sqsHandler } from '../sqs.ts'
import { type ValidatePorts, validate } from './validate.ts'

export function validateHandler(ports: ValidatePorts & EdgePorts): SqsHandler {
  return sqsHandler(ports, 'validate', (event) => validate(ports, event))
}
