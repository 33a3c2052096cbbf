/**
 * Queue over SQS standard queues, one a stage: at-least-once, in any order, as the port promises. Not
 * FIFO queues: those delay whole queues, never one message, and a soak needs its own moment.
 */
import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs'
import { canonicalJson } from '../../pipelines/contract/canonical-json.ts'
import type { DeliveryEvent, StageName } from '../../pipelines/contract/events.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Clock, Queue } from '../ports.ts'

/** Seconds; SQS takes no longer delay for a message. */
const MAX_DELAY_S = 900
/** Bytes of a message, of which SQS takes 1 MiB: a report has at most 256 KiB on the bus. */
const MAX_BODY_BYTES = 1024 * 1024

export type SqsSettings = {
  client: Pick<SQSClient, 'send'>
  /** URL of a stage's queue. A function is told only those that it sends to. */
  urls: Partial<Record<StageName, string>>
  clock: Clock
}

/**
 * A delay beyond 15 minutes comes early: whoever asks for one asks to be woken, and asks again.
 * Throws Failure('queue-unavailable' | 'limit-exceeded').
 */
export function sqsQueue({ client, urls, clock }: SqsSettings): Queue {
  /** Delayed events that this process has sent → when SQS gives them; it never gives one before. */
  const delayed = new Map<string, number>()
  return {
    async send(event: DeliveryEvent, delayMs = 0) {
      const url = urls[event.stage]
      if (url === undefined) throw new RangeError(`this function has no queue of ${event.stage}`)
      const body = canonicalJson(event)
      if (Buffer.byteLength(body) > MAX_BODY_BYTES)
        throw new Failure('limit-exceeded', `an event of ${event.stage} is above ${MAX_BODY_BYTES} bytes`)
      const now = clock.now().getTime()
      const seconds = Math.min(MAX_DELAY_S, Math.ceil(Math.max(0, delayMs) / 1000))
      const due = now + seconds * 1000
      // An equal event that still waits, and not for longer, makes this one needless: else every
      // report of a soak would leave a tick that leaves a tick.
      for (const [other, at] of delayed) if (at <= now) delayed.delete(other)
      const waits = delayed.get(body)
      if (waits !== undefined && waits <= due) return
      await deliver(client, { QueueUrl: url, MessageBody: body, DelaySeconds: seconds })
      delayed.set(body, due)
    },
  }
}

async function deliver(
  client: SqsSettings['client'],
  message: ConstructorParameters<typeof SendMessageCommand>[0],
): Promise<void> {
  try {
    await client.send(new SendMessageCommand(message))
  } catch (cause) {
    throw new Failure('queue-unavailable', `SQS took no message: ${(cause as Error).message}`, { cause })
  }
}
