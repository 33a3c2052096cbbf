import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { reportOf } from '../../../fakes/report.ts'
import { natsBus, parseReport } from '../../../../functions/adapters/nats-bus.ts'

const report = reportOf({ ring: 'ring-0', outcome: 'enforced', number: 1, generation: 1 })
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value))

describe('reports from the bus', () => {
  it('are taken from the subject of the node that they speak of', () => {
    assert.deepEqual(parseReport('heddle.report.node-1', bytes(report)), report)
  })

  const refused: [string, string, Uint8Array][] = [
    ['of another node', 'heddle.report.node-2', bytes(report)],
    ['that are no JSON', 'heddle.report.node-1', Buffer.from('{')],
    ['with a field too many', 'heddle.report.node-1', bytes({ ...report, extra: 1 })],
    ['with a name that is none', 'heddle.report.*', bytes({ ...report, node: '*' })],
    ['over the limit', 'heddle.report.node-1', bytes({ ...report, at: 'x'.repeat(300_000) })],
  ]
  for (const [what, subject, data] of refused) {
    it(`are refused when they are reports ${what}`, () => {
      assert.equal(parseReport(subject, data), undefined)
    })
  }
})

describe('bus without a server', () => {
  it('keeps nobody waiting', async () => {
    const bus = natsBus({ url: 'nats://127.0.0.1:1', log: () => {} })
    await bus.hint('ring-0')
    await bus.close()
  })
})
