import { type EdgePorts, type SqsHandler, sqsHandler } from '../sqs.ts'
import { type PostPorts, post } from './post.ts'

export function postHandler(ports: PostPorts & EdgePorts): SqsHandler {
  return sqsHandler(ports, 'post', (event) => post(ports, event))
}
