import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { SQSEvent } from 'aws-lambda'
import type { SqsHandler } from '../../../../functions/sqs.ts'
import { type DiskQueue, openDiskQueue } from '../../../../infra/local/disk-queue.ts'
import { startWorker, type Worker } from '../../../../infra/local/worker.ts'
import { DELIVERY } from '../../../../pipelines/delivery.ts'
import { systemClock } from '../../../fakes/keys.ts'

const event = { stage: 'compile' as const, commit: 'c'.repeat(40), validated: `sha256:${'0'.repeat(64)}` }
const done: SqsHandler = async () => ({ batchItemFailures: [] })
const failed: SqsHandler = async ({ Records: [record] }: SQSEvent) => ({
  batchItemFailures: [{ itemIdentifier: record?.messageId ?? '' }],
})

let directory = ''
let queue: DiskQueue
let worker: Worker | undefined
const dead: string[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-worker-'))
  queue = await openDiskQueue(directory, systemClock)
  dead.length = 0
})
afterEach(async () => {
  await worker?.stop()
  queue.close()
  await rm(directory, { recursive: true, force: true })
})

function start(compile: SqsHandler): void {
  const stages = { validate: done, sign: done, publish: done, rollout: done, plan: done, post: done, compile }
  const onDead = async (body: string) => {
    dead.push(body)
  }
  worker = startWorker({ queue, clock: systemClock, stages, onDead, log: () => {} })
}

/** Ends with the delivery that makes `enough` true; a stopped worker has put everything in its place. */
async function until(compile: SqsHandler, enough: (deliveries: number) => boolean): Promise<void> {
  let deliveries = 0
  await new Promise<void>((resolve) => {
    start(async (sqs) => {
      deliveries++
      if (enough(deliveries)) resolve()
      return compile(sqs)
    })
  })
  await worker?.stop()
}

describe('worker', () => {
  it('works off what was sent before it started, and what is sent after', async () => {
    await queue.send(event)
    await until(done, (deliveries) => deliveries === 1)
    assert.equal(queue.size(), 0)
    const sent = until(done, (deliveries) => deliveries === 1)
    await queue.send(event)
    await sent
    assert.equal(queue.size(), 0)
  })

  it('gives a failed event again', async () => {
    await queue.send(event)
    let left = 2
    await until(
      (sqs) => (left-- > 0 ? failed(sqs) : done(sqs)),
      (deliveries) => deliveries === 3,
    )
    assert.deepEqual([queue.size(), dead], [0, []])
  })

  it('buries an event that fails as often as its stage allows, and tells it', async () => {
    await queue.send(event)
    const { attempts } = DELIVERY.compile
    await until(failed, (deliveries) => deliveries === attempts)
    assert.equal(queue.size(), 0)
    assert.equal((await readdir(join(directory, 'compile', 'dead'))).length, 1)
    assert.match(dead[0] ?? '', /"stage":"compile"/)
  })
})
