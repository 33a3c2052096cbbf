import { type EdgePorts, type SqsHandler, sqsHandler } from '../sqs.ts'
import { type SignPorts, sign } from './sign.ts'

export function signHandler(ports: SignPorts & EdgePorts): SqsHandler {
  return sqsHandler(ports, 'sign', (event) => sign(ports, event))
}
