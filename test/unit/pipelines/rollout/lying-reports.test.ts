/** Reports that lie, come again, or come in another order: a node speaks for itself, and of now. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Report } from '../../../../pipelines/contract/release.ts'
import { begin } from '../../../../pipelines/rollout/begin.ts'
import { NO_ROLLOUT } from '../../../../pipelines/rollout/state.ts'
import { observe } from '../../../../pipelines/rollout/step.ts'
import { commitOf, digestOf, fleet, planOf } from './rollout-cases.ts'

const RUNS = process.env['HEDDLE_DEEP'] === '1' ? 5_000 : 100
const HOUR = 3_600_000
const failure = { code: 'attached-differs', message: 'x', detail: [] }

describe('reports', () => {
  it('from the future, or from no time at all, do not outlive what is said next', () => {
    const f = fleet(planOf({ gates: { lostMs: 60 } }))
    f.publish('a')
    for (const at of [new Date(f.now + HOUR).toISOString(), '+275760-09-13T00:00:00.000Z', 'soon', '']) {
      f.say('a', { at, outcome: 'failed', failure })
      assert.equal(f.current?.state, 'paused', at)
      f.wait(1)
      f.say('a')
      assert.notEqual(f.current?.state, 'paused', at)
    }
    f.say('a', { sequence: 99, outcome: 'failed', failure })
    assert.equal(f.current?.state, 'paused')
  })

  it('of a node that is not in that ring, or in none, change nothing', () => {
    const f = fleet(planOf())
    f.publish('a')
    const { state } = f
    f.say('b', { ring: 'canary' })
    f.say('x', { ring: 'canary' })
    f.say('a', { ring: 'nowhere' })
    assert.equal(f.state, state)
  })

  it('of a clock that is a little ahead are believed', () => {
    const f = fleet(planOf())
    f.publish('a')
    f.say('a', { at: new Date(f.now + 60_000).toISOString() })
    assert.equal(f.current?.state, 'soaking')
  })

  it('in any order, and again, end in the same: the latest of each node', () => {
    const plan = planOf()
    const begun = begin(NO_ROLLOUT, plan, { commit: commitOf('a'), artifact: digestOf('a') }, 0)
    const said = (node: string, second: number, outcome: Report['outcome']): Report => ({
      schema: 'heddle.report/1',
      node,
      ring: node === 'a' ? 'canary' : 'rest',
      at: new Date(second * 1000).toISOString(),
      sequence: second,
      outcome,
      number: 1,
      artifact: digestOf('a'),
      generation: 1,
      failure: outcome === 'failed' ? failure : null,
      timings: {},
      measures: null,
      shadow: null,
    })
    const one = fc.record({
      node: fc.constantFrom('a', 'b', 'c'),
      outcome: fc.constantFrom('enforced' as const, 'failed' as const),
    })
    const shuffled = fc.array(one, { minLength: 1, maxLength: 12 }).chain((words) => {
      const reports = words.map(({ node, outcome }, second) => said(node, second, outcome))
      const twice = [...reports, ...reports]
      return fc.record({
        reports: fc.constant(reports),
        order: fc.shuffledSubarray(twice, { minLength: twice.length }),
      })
    })
    const facts = (reports: readonly Report[]) => {
      const state = reports.reduce((before, report) => observe(before, plan, report, HOUR), begun)
      return Object.fromEntries(
        Object.entries(state.nodes).map(([node, { at, outcome }]) => [node, [at, outcome]]),
      )
    }
    fc.assert(
      fc.property(shuffled, ({ reports, order }) => {
        assert.deepEqual(facts(order), facts(reports))
      }),
      { seed: 20261123, numRuns: RUNS },
    )
  })
})
