/** A queue a stage, and behind each a dead-letter queue. Standard ones: see functions/adapters/sqs-queue.ts. */
import { Duration } from 'aws-cdk-lib'
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs'
import type { Construct } from 'constructs'
import type { StageName } from '../../../pipelines/contract/events.ts'
import { DELIVERY } from '../../../pipelines/delivery.ts'
import { FUNCTIONS } from '../functions.ts'

export type StageQueue = { queue: Queue; dead: Queue }

/** AWS's advice for functions behind a queue: else a message is given again while its first try still runs. */
const VISIBILITY_TIMEOUTS = 6
/** SQS keeps nothing longer: a person has this long to look. */
const KEPT_DAYS = 14
/** A report may be 256 KiB, with its envelope a little more. */
const MAX_BYTES = 1024 * 1024

export function makeQueues(scope: Construct): Map<StageName, StageQueue> {
  const queues = new Map<StageName, StageQueue>()
  for (const stage of Object.keys(DELIVERY) as StageName[]) {
    const shared = {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(KEPT_DAYS),
      maxMessageSizeBytes: MAX_BYTES,
    }
    const dead = new Queue(scope, `Dead-${stage}`, {
      ...shared,
      visibilityTimeout: Duration.millis(VISIBILITY_TIMEOUTS * FUNCTIONS.bury.timeoutMs),
    })
    const { timeoutMs, attempts } = DELIVERY[stage]
    const queue = new Queue(scope, `Queue-${stage}`, {
      ...shared,
      visibilityTimeout: Duration.millis(VISIBILITY_TIMEOUTS * timeoutMs),
      deadLetterQueue: { queue: dead, maxReceiveCount: attempts },
    })
    queues.set(stage, { queue, dead })
  }
  return queues
}
