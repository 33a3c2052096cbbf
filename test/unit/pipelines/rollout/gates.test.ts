import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { statementsOf } from '../../../../functions/rollout/targets.ts'
import { digestOf, fleet, measured, planOf } from './rollout-cases.ts'

describe('gates', () => {
  const bad = { measures: measured({ unintended: 5 }) }
  const gates = { unintended: { most: 0.01 } }

  it('send what does harm back at once, and deny it', () => {
    const f = fleet(planOf({ gates }))
    f.complete('a')
    f.publish('b')
    f.say('a', bad)
    assert.equal(f.current?.kind, 'rollback')
    assert.deepEqual(f.told, { canary: 3, rest: 1 })
    assert.equal(f.state.released['canary']?.artifact, digestOf('a'))
    assert.deepEqual(statementsOf(f.state, f.plan).denials.denied, [digestOf('b')])
    assert.match(f.state.ended.at(-1)?.why ?? '', /^gate unintended: 5.00 % of the requests/)
    f.say('a')
    assert.equal(f.current?.state, 'done')
    f.publish('b')
    assert.equal(f.current?.kind, 'rollback')
  })

  it('send every ring back that had it, each shown that the ring before soaked with the old one', () => {
    const f = fleet(planOf({ gates }))
    f.complete('a')
    f.publish('b')
    f.say('a')
    f.wait(100)
    f.say('b')
    f.say('c', bad)
    assert.deepEqual(f.told, { canary: 3, rest: 3 })
    const { successes } = statementsOf(f.state, f.plan)
    assert.deepEqual(
      successes.map(({ ring, number, artifact, basis }) => [ring, number, artifact, basis]),
      [
        ['canary', 3, digestOf('a'), 1],
        ['rest', 1, digestOf('a'), null],
      ],
    )
    for (const node of ['a', 'b']) f.say(node)
    assert.equal(f.current?.state, 'releasing')
    f.say('c')
    assert.equal(f.current?.state, 'done')
  })

  it('pause where there is nothing to go back to', () => {
    const f = fleet(planOf({ gates }))
    f.publish('a')
    f.say('a', bad)
    assert.deepEqual([f.current?.kind, f.current?.state], ['release', 'paused'])
    assert.match(f.current?.why ?? '', /no earlier release/)
  })

  it('are not deceived by one node that claims to have judged more than all others', () => {
    const f = fleet(planOf({ gates, rings: [{ name: 'canary', nodes: ['a', 'b', 'c'] }] }))
    f.complete('a')
    f.publish('b')
    f.say('a', { measures: measured({ judged: 1e15 }) })
    f.say('b', { measures: measured({ unintended: 50 }) })
    assert.equal(f.current?.kind, 'rollback')
  })

  it('hold without traffic', () => {
    const f = fleet(planOf({ gates: { ...gates, minimumSamples: 200 } }))
    f.publish('a')
    f.say('a', { measures: measured() })
    f.wait(1000)
    assert.equal(
      f.current?.why,
      'gate traffic: 100 of 200 requests judged so far'.replace('gate traffic: ', ''),
    )
    f.say('a', { measures: measured({ judged: 200 }) })
    assert.equal(f.current?.at, 1)
  })

  const trips: [string, object, object, object][] = [
    ['5xx', { errors: { most: 0.05 } }, { errors: 6 }, {}],
    ['more 5xx than elsewhere', { errors: { most: 0.5, more: 0.01 } }, { errors: 6 }, { errors: 1 }],
    ['slow responses', { p99: { mostMs: 1 } }, { latency: [0, ...Array(60).fill(0), 100] }, {}],
    ['responses slower than elsewhere', { p99: { times: 2 } }, { latency: [...Array(20).fill(0), 100] }, {}],
    ['endpoints that were taken out', { trips: { most: 0 } }, { trips: 1 }, {}],
  ]
  for (const [what, limits, harm, elsewhere] of trips) {
    it(`trip over ${what}, and over nothing less`, () => {
      const f = fleet(planOf({ gates: limits }))
      f.complete('a')
      f.publish('b')
      for (const node of ['b', 'c']) f.say(node, { measures: measured(elsewhere) })
      f.say('a', { measures: measured(elsewhere) })
      assert.equal(f.current?.kind, 'release')
      f.say('a', { measures: measured(harm) })
      assert.equal(f.current?.kind, 'rollback')
    })
  }

  it('wait for what outside checks say, ring by ring', () => {
    const checks = [{ kind: 'webhook', name: 'smoke', url: 'http://127.0.0.1:1/' }]
    const f = fleet(planOf({ gates: { checks } }))
    f.publish('a')
    f.say('a')
    f.wait(1000)
    assert.equal(f.current?.why, 'smoke has not answered yet')
  })
})
