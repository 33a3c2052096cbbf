import assert from 'node:assert/strict'
import type { SQSEvent } from 'aws-lambda'
import { describe, it } from 'node:test'
import { reportOf } from '../../../fakes/report.ts'
import { reportInbox } from '../../../../infra/local/report-inbox.ts'
import type { Report } from '../../../../pipelines/contract/release.ts'

const said = (node: string, sequence: number): Report =>
  reportOf({ node, ring: 'r', at: new Date(sequence).toISOString(), sequence })

/** A director that is as slow, and fails as often, as a test says. */
function director() {
  const batches: [node: string, sequence: number][][] = []
  let end = () => {}
  let failing = 0
  return {
    batches,
    fail: (times: number) => {
      failing = times
    },
    end: () => end(),
    async rollout({ Records }: SQSEvent) {
      batches.push(
        Records.map(({ body }) => {
          const { node, sequence } = JSON.parse(body).cause.report
          return [node, sequence]
        }),
      )
      await new Promise<void>((resolve) => {
        end = resolve
      })
      const failed = failing-- > 0
      return {
        batchItemFailures: failed ? Records.map(({ messageId }) => ({ itemIdentifier: messageId })) : [],
      }
    },
  }
}
const settled = () => new Promise(setImmediate)

describe('the inbox of reports', () => {
  it('gives all that wait in one batch, of each node the newest', async () => {
    const d = director()
    const inbox = reportInbox(d.rollout, () => {})
    inbox.put(said('a', 1))
    for (const [node, sequence] of [
      ['a', 2],
      ['b', 1],
      ['a', 4],
      ['a', 3],
    ] as const)
      inbox.put(said(node, sequence))
    d.end()
    await settled()
    assert.deepEqual(d.batches, [
      [['a', 1]],
      [
        ['a', 4],
        ['b', 1],
      ],
    ])
    d.end()
    await inbox.stop()
  })

  it('gives again what failed, unless something newer has come', async () => {
    const d = director()
    const inbox = reportInbox(d.rollout, () => {})
    d.fail(1)
    inbox.put(said('a', 1))
    inbox.put(said('b', 1))
    d.end()
    await settled()
    inbox.put(said('a', 2))
    await settled()
    d.end()
    await settled()
    assert.deepEqual(
      d.batches.at(-1)?.find(([node]) => node === 'a'),
      ['a', 2],
    )
    d.end()
    await inbox.stop()
  })
})
