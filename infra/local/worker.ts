/** Works a durable queue off: one event a stage at a time, each within its stage's time. */
import type { SQSEvent } from 'aws-lambda'
import type { Functions } from '../../functions/compose.ts'
import type { Clock } from '../../functions/ports.ts'
import type { StageName } from '../../pipelines/contract/events.ts'
import { DELIVERY, retryDelay } from '../../pipelines/delivery.ts'
import type { DiskQueue, Message } from './disk-queue.ts'

export type WorkerPorts = {
  queue: DiskQueue
  clock: Clock
  stages: Functions['stages']
  /** An event that nobody will try again. */
  onDead: (body: string, stage: StageName) => Promise<void>
  log: (line: string) => void
}

export type Worker = { stop(): Promise<void> }

/** setTimeout's largest delay. */
const MAX_TIMER_MS = 2 ** 31 - 1

export function startWorker(ports: WorkerPorts): Worker {
  const stages = Object.keys(DELIVERY) as StageName[]
  const loops = new Map(stages.map((stage) => [stage, stageLoop(ports, stage)]))
  ports.queue.onSend((stage) => loops.get(stage)?.wake())
  for (const loop of loops.values()) loop.wake()
  return {
    async stop() {
      await Promise.all([...loops.values()].map((loop) => loop.stop()))
    },
  }
}

function stageLoop(ports: WorkerPorts, stage: StageName): { wake(): void; stop(): Promise<void> } {
  let running: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const drain = async (): Promise<void> => {
    while (!stopped) {
      const message = await ports.queue.take(stage)
      if (message === undefined) break
      await deliver(ports, stage, message)
    }
  }
  const wake = (): void => {
    if (stopped || running !== undefined) return
    clearTimeout(timer)
    running = drain()
      .catch((error: Error) => ports.log(`${stage}: the queue's disk does not answer: ${error.message}`))
      .finally(() => {
        running = undefined
        const due = ports.queue.nextDue(stage)
        if (stopped || due === undefined) return
        const wait = Math.max(0, due - ports.clock.now().getTime())
        timer = setTimeout(wake, Math.min(wait, MAX_TIMER_MS))
      })
  }
  return {
    wake,
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}

async function deliver(ports: WorkerPorts, stage: StageName, message: Message): Promise<void> {
  const { timeoutMs, attempts } = DELIVERY[stage]
  const done = await within(timeoutMs, succeeded(ports, stage, message))
  if (done) return ports.queue.acknowledge(stage, message)
  if (message.deliveries < attempts) return ports.queue.retry(stage, message, retryDelay(message.deliveries))
  ports.log(`${stage}: gave up on ${message.id} after ${message.deliveries} deliveries`)
  // First told, then buried: killed in between, it is told twice and not never.
  await ports.onDead(message.body, stage).catch((error: Error) => ports.log(`${stage}: ${error.message}`))
  await ports.queue.bury(stage, message)
}

async function succeeded(ports: WorkerPorts, stage: StageName, message: Message): Promise<boolean> {
  const record = { messageId: message.id, body: message.body, attributes: {}, messageAttributes: {} }
  // The handlers read the id and the body of SQS's record.
  const event = { Records: [record] } as unknown as SQSEvent
  const { batchItemFailures } = await ports.stages[stage](event)
  return batchItemFailures.length === 0
}

/** False when it takes too long: the event is given again, and the late result changes nothing. */
async function within(ms: number, work: Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false)
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}
