import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SendMessageCommand } from '@aws-sdk/client-sqs'
import { type SqsSettings, sqsQueue } from '../../../../functions/adapters/sqs-queue.ts'
import type { EventOf } from '../../../../pipelines/contract/events.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { manualClock } from '../../../fakes/keys.ts'

const TICK = { stage: 'rollout' as const, cause: { kind: 'tick' as const } }
const validate = (digit: string) => ({ stage: 'validate' as const, commit: digit.repeat(40) })
const hasCode = (code: string) => (error: unknown) => error instanceof Failure && error.code === code

function world(fails?: Error) {
  const sent: { url: string | undefined; body: string; seconds: number | undefined }[] = []
  const clock = manualClock()
  const client = {
    async send({ input }: SendMessageCommand) {
      if (fails !== undefined) throw fails
      sent.push({ url: input.QueueUrl, body: input.MessageBody ?? '', seconds: input.DelaySeconds })
      return { $metadata: {} }
    },
  } as unknown as SqsSettings['client']
  const urls = { rollout: 'https://sqs/rollout', validate: 'https://sqs/validate' }
  return { sent, clock, queue: sqsQueue({ client, urls, clock }) }
}

describe('the queue over SQS', () => {
  it('sends an event to its stage’s queue, every time', async () => {
    const { sent, queue } = world()
    for (const digit of ['a', 'a', 'b']) await queue.send(validate(digit))
    assert.deepEqual(
      sent.map(({ body }) => JSON.parse(body)),
      [validate('a'), validate('a'), validate('b')],
    )
    assert.deepEqual(sent[0], { url: 'https://sqs/validate', body: sent[0]?.body ?? '', seconds: 0 })
  })

  const delays: [asked: number, seconds: number][] = [
    [-5, 0],
    [0, 0],
    [1, 1],
    [1000, 1],
    [1001, 2],
    [900_000, 900],
    [86_400_000, 900],
  ]
  for (const [asked, seconds] of delays) {
    it(`delays by ${seconds} s when ${asked} ms are asked for: never early, but for what SQS can't wait for`, async () => {
      const { sent, queue } = world()
      await queue.send(TICK, asked)
      assert.equal(sent[0]?.seconds, seconds)
    })
  }

  it('sends no second tick while an equal one waits, and not for longer', async () => {
    const { sent, queue, clock } = world()
    await queue.send(TICK, 10_000)
    await queue.send(TICK, 10_000)
    await queue.send(TICK, 99_000)
    assert.equal(sent.length, 1)
    await queue.send(TICK, 5_000)
    assert.deepEqual(
      sent.map(({ seconds }) => seconds),
      [10, 5],
    )
    clock.advance(5_000)
    await queue.send(TICK, 60_000)
    assert.equal(sent.length, 3, 'the one that waited may have been given')
  })

  it('lets no delayed event swallow an equal one that is due now', async () => {
    const { sent, queue } = world()
    await queue.send(TICK, 10_000)
    await queue.send(TICK)
    assert.deepEqual(
      sent.map(({ seconds }) => seconds),
      [10, 0],
    )
  })

  it('does not remember what SQS did not take', async () => {
    const { queue } = world(new Error('timeout'))
    for (let time = 0; time < 2; time++)
      await assert.rejects(queue.send(TICK, 10_000), hasCode('queue-unavailable'))
  })

  it('refuses what SQS would not take, and a queue that the function was not told of', async () => {
    const { sent, queue } = world()
    const large = { ...TICK, cause: { kind: 'report', report: 'x'.repeat(1024 * 1024) } }
    await assert.rejects(queue.send(large as unknown as EventOf<'rollout'>), hasCode('limit-exceeded'))
    const compile = { stage: 'compile' as const, commit: 'a'.repeat(40), validated: 'sha256:0' as const }
    await assert.rejects(queue.send(compile), /no queue of compile/)
    assert.deepEqual(sent, [])
  })
})
