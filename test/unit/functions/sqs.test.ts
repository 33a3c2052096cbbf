import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SQSEvent } from 'aws-lambda'
import { sqsHandler } from '../../../functions/sqs.ts'
import { Failure, type FailureCode } from '../../../pipelines/contract/failures.ts'
import { memoryStatuses } from '../../fakes/memory-forge.ts'

const commit = (digit: string) => digit.repeat(40)
const sqs = (...commits: string[]) =>
  ({
    Records: commits.map((id) => ({
      messageId: `m-${id[0]}`,
      body: JSON.stringify({ stage: 'validate', commit: id }),
    })),
  }) as unknown as SQSEvent

function world(outcomes: Record<string, unknown> = {}) {
  const statuses = memoryStatuses()
  const seen: string[] = []
  const handler = sqsHandler({ statuses, log: () => {} }, 'validate', async (event) => {
    seen.push(event.commit)
    const outcome = outcomes[event.commit[0] ?? '']
    if (outcome !== undefined) throw outcome
  })
  return { statuses, seen, handler }
}

describe('a stage behind a queue', () => {
  const rows: [FailureCode, 'stays in the queue' | 'leaves it', string | undefined][] = [
    ['limit-exceeded', 'leaves it', 'failure'],
    ['compiler-failed', 'leaves it', 'error'],
    ['work-interrupted', 'stays in the queue', undefined],
    ['forge-unavailable', 'stays in the queue', undefined],
    ['store-conflict', 'stays in the queue', undefined],
  ]
  for (const [code, where, state] of rows) {
    it(`an event that fails with ${code} ${where}${state === undefined ? '' : `, and the commit gets ${state}`}`, async () => {
      const { statuses, handler } = world({
        a: new Failure(code, 'why', { detail: ['last line of the log'] }),
      })
      const { batchItemFailures } = await handler(sqs(commit('a')))
      assert.deepEqual(batchItemFailures, where === 'leaves it' ? [] : [{ itemIdentifier: 'm-a' }])
      const status = statuses.posted.get(commit('a'))
      assert.equal(status?.state, state)
      if (status !== undefined) assert.match(status.description, /why\nlast line of the log/)
    })
  }

  it('a failure that names its place becomes a finding', async () => {
    const detail = ['write fewer']
    const { statuses, handler } = world({
      a: new Failure('limit-exceeded', 'policies/a.yaml:14:17: too many states', { detail }),
    })
    await handler(sqs(commit('a')))
    const place = { file: 'policies/a.yaml', line: 14, column: 17 }
    const finding = {
      ...place,
      code: 'limit-exceeded',
      message: 'too many states',
      hint: 'write fewer',
      severity: 'error',
    }
    assert.deepEqual(statuses.posted.get(commit('a'))?.findings, [finding])
  })

  it('an error that nobody foresaw stays in the queue', async () => {
    const { handler } = world({ a: new TypeError('bug') })
    assert.deepEqual(await handler(sqs(commit('a'))), { batchItemFailures: [{ itemIdentifier: 'm-a' }] })
  })

  it('one failing event of a batch does not keep the others', async () => {
    const { seen, handler } = world({ b: new Failure('store-unavailable', 'down') })
    const { batchItemFailures } = await handler(sqs(commit('a'), commit('b'), commit('c')))
    assert.deepEqual(batchItemFailures, [{ itemIdentifier: 'm-b' }])
    assert.deepEqual(seen, ['a', 'b', 'c'].map(commit))
  })

  it('an event stays in the queue until its failure has been told', async () => {
    const { statuses, handler } = world({ a: new Failure('limit-exceeded', 'why') })
    statuses.post = () => Promise.reject(new Error('forge is down'))
    assert.deepEqual(await handler(sqs(commit('a'))), { batchItemFailures: [{ itemIdentifier: 'm-a' }] })
  })

  for (const body of ['', 'null', '{"stage":"sign"}', '{"stage":"validate","commit":"HEAD"}']) {
    it(`drops ${JSON.stringify(body)}: it would come again for ever`, async () => {
      const { seen, handler } = world()
      const event = { Records: [{ messageId: 'm', body }] } as unknown as SQSEvent
      assert.deepEqual([await handler(event), seen], [{ batchItemFailures: [] }, []])
    })
  }
})
