import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import { Failure, type FailureCode } from '../../pipelines/contract/failures.ts'
import { type ReceivePorts, receive } from './receive.ts'
import { type ReconcilePorts, reconcile } from './reconcile.ts'

export type WebhookHandler = (event: APIGatewayProxyEventV2) => Promise<APIGatewayProxyStructuredResultV2>

const STATUS: Partial<Record<FailureCode, number>> = {
  'webhook-signature': 401,
  'webhook-malformed': 400,
  'webhook-too-large': 413,
}
/** Milliseconds: GitHub waits for 10 s, and counts what is not answered by then as failed. */
const ANSWER_MS = 8_000

/** Answers 2xx as soon as the event is in the queue; 503 when the forge or the queue doesn't answer in time. */
export function receiveHandler(ports: ReceivePorts): WebhookHandler {
  return async ({ headers, body = '', isBase64Encoded }) => {
    try {
      const answer = receive(ports, {
        event: headers['x-github-event'],
        signature: headers['x-hub-signature-256'],
        body: Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'),
      })
      return reply(202, await inTime(answer))
    } catch (error) {
      const failure = error instanceof Failure ? error : new Failure('forge-unavailable', 'try again')
      return reply(STATUS[failure.code] ?? 503, { code: failure.code, message: failure.message })
    }
  }
}

/** For a schedule: what webhooks have not told. */
export function reconcileHandler(ports: ReconcilePorts): () => Promise<void> {
  return () => reconcile(ports)
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Failure('forge-unavailable', 'the forge takes too long')), ANSWER_MS)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

function reply(statusCode: number, content: object): APIGatewayProxyStructuredResultV2 {
  return { statusCode, headers: { 'content-type': 'application/json' }, body: JSON.stringify(content) }
}
