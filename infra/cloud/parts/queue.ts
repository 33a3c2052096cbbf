import { SQSClient } from '@aws-sdk/client-sqs'
import { sqsQueue } from '../../../functions/adapters/sqs-queue.ts'
import type { Clock, Queue } from '../../../functions/ports.ts'
import type { StageName } from '../../../pipelines/contract/events.ts'
import { DELIVERY } from '../../../pipelines/delivery.ts'
import { queueVariable, type Variables } from '../environment.ts'
import { clientSettings } from './client-settings.ts'

/** The queues that this function was told of. */
export function openQueue(variables: Variables, clock: Clock): Queue {
  const urls: Partial<Record<StageName, string>> = {}
  for (const stage of Object.keys(DELIVERY) as StageName[]) {
    const url = variables[queueVariable(stage)]
    if (url !== undefined) urls[stage] = url
  }
  return sqsQueue({ client: new SQSClient(clientSettings()), urls, clock })
}
