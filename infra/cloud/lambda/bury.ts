/**
 * Behind the dead-letter queues: tells the people who pushed that nobody will try again, and keeps the
 * event for a person to look at. What even this can't do stays in the dead-letter queue.
 */
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import { giveUp } from '../../../functions/sqs.ts'
import { DeliveryEvent } from '../../../pipelines/contract/events.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'
import { deadKey } from '../../../pipelines/contract/object-keys.ts'
import { openHere } from '../parts/here.ts'

const { store, statuses, log } = await openHere(process.env)

export async function handler({ Records }: SQSEvent): Promise<SQSBatchResponse> {
  const batchItemFailures: SQSBatchResponse['batchItemFailures'] = []
  for (const record of Records) {
    try {
      await bury(record)
    } catch (error) {
      log(`bury: ${(error as Error).message}`)
      batchItemFailures.push({ itemIdentifier: record.messageId })
    }
  }
  return { batchItemFailures }
}

async function bury({ messageId, body }: SQSRecord): Promise<void> {
  const event = DeliveryEvent.parse(JSON.parse(body))
  const failure = new Failure('delivery-exhausted', `${event.stage} did not succeed; see the log`)
  // First told, then kept: killed in between, it is told twice and not never.
  await giveUp({ statuses }, event, failure)
  await store.create(deadKey(event.stage, messageId), new Uint8Array(Buffer.from(body)))
  log(`bury: gave up on ${event.stage} ${messageId}`)
}
