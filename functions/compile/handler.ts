import { type EdgePorts, type SqsHandler, sqsHandler } from '../sqs.ts'
import { type CompilePorts, compile } from './build-artifact.ts'

export function compileHandler(ports: CompilePorts & EdgePorts): SqsHandler {
  return sqsHandler(ports, 'compile', (event) => compile(ports, event))
}
