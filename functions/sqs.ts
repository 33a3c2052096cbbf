/**
 * The edge of every stage behind a queue: SQS event in, failed items out. What is wrong for good is
 * told to the people who pushed and leaves the queue; what may pass later stays in it.
 */
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import { DeliveryEvent, type EventOf, type StageName } from '../pipelines/contract/events.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import { type Plans, refusedPlan } from './plans.ts'
import type { Statuses } from './ports.ts'
import { failureStatus } from './statuses.ts'

export type SqsHandler = (event: SQSEvent) => Promise<SQSBatchResponse>

/** The port of this edge beside the stage's own. `log` gets one line for an operator. */
export type EdgePorts = {
  statuses: Statuses
  /** Of stages that see pull requests. */
  plans?: Plans
  log: (line: string) => void
}

/** The same for a stage that takes all events of a batch in one go: all of them succeed, or all come again. */
export function sqsBatchHandler<S extends StageName>(
  ports: EdgePorts,
  stage: S,
  run: (events: EventOf<S>[]) => Promise<void>,
): SqsHandler {
  return async ({ Records }) => {
    const events = Records.flatMap((record) => parse(record, stage) ?? [])
    if (events.length < Records.length)
      ports.log(`${stage}: dropped ${Records.length - events.length} messages that are no ${stage} events`)
    try {
      await run(events).catch(async (error: unknown) => {
        for (const event of events) await settle(ports, event, error)
      })
      return { batchItemFailures: [] }
    } catch (error) {
      ports.log(`${stage}: ${error instanceof Error ? error.message : String(error)}`)
      return { batchItemFailures: Records.map(({ messageId }) => ({ itemIdentifier: messageId })) }
    }
  }
}

export function sqsHandler<S extends StageName>(
  ports: EdgePorts,
  stage: S,
  run: (event: EventOf<S>) => Promise<void>,
): SqsHandler {
  return async ({ Records }) => {
    const batchItemFailures: SQSBatchResponse['batchItemFailures'] = []
    for (const record of Records) {
      const event = parse(record, stage)
      if (event === undefined) {
        ports.log(`${stage}: dropped a message that is no ${stage} event: ${record.messageId}`)
        continue
      }
      try {
        await run(event).catch((error: unknown) => settle(ports, event, error))
      } catch (error) {
        ports.log(`${stage}: ${error instanceof Error ? error.message : String(error)}`)
        batchItemFailures.push({ itemIdentifier: record.messageId })
      }
    }
    return { batchItemFailures }
  }
}

/** Ends the event's way, or throws what only a later try can heal. Errors without a code are such. */
async function settle(ports: EdgePorts, event: DeliveryEvent, error: unknown): Promise<void> {
  if (!(error instanceof Failure) || error.disposition === 'retry') throw error
  ports.log(`${event.stage}: ${error.code}: ${error.message}`)
  await giveUp(ports, event, error)
}

/** The last word on an event that nobody will try again. About a post that failed there is nobody to tell. */
export async function giveUp(
  { statuses, plans }: Pick<EdgePorts, 'statuses' | 'plans'>,
  event: DeliveryEvent,
  failure: Failure,
): Promise<void> {
  if (event.stage === 'post') return
  const status = failureStatus(failure)
  // A pull request's commit has no delivery to tell of, and may be one that is delivered.
  if (event.stage === 'plan' || (event.stage === 'validate' && event.pull !== undefined)) {
    return plans?.keep(refusedPlan({ pull: event.pull as number, commit: event.commit }, status))
  }
  const commit = event.stage === 'rollout' ? publishedCommit(event) : event.commit
  if (commit !== undefined) await statuses.post(commit, status)
}

function publishedCommit(event: EventOf<'rollout'>): string | undefined {
  return event.cause.kind === 'published' ? event.cause.commit : undefined
}

function parse<S extends StageName>(record: SQSRecord, stage: S): EventOf<S> | undefined {
  try {
    const event = DeliveryEvent.parse(JSON.parse(record.body))
    return event.stage === stage ? (event as EventOf<S>) : undefined
  } catch {
    return undefined
  }
}
