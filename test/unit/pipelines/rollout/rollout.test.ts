import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Report } from '../../../../pipelines/contract/release.ts'
import { progress } from '../../../../pipelines/rollout/progress.ts'
import { commitOf, digestOf, fleet, planOf } from './rollout-cases.ts'

const failure = { code: 'artifact-tampered', message: 'x', detail: [] }

describe('a rollout', () => {
  it('is told to the first ring only', () => {
    const f = fleet(planOf())
    f.publish('a')
    assert.deepEqual(f.told, { canary: 1 })
    assert.deepEqual(f.state.succeeded, {})
  })

  it('advances when every node has enforced it for the whole soak, not before', () => {
    const f = fleet(planOf())
    f.publish('a')
    assert.equal(f.say('a'), 1100)
    assert.equal(f.current?.state, 'soaking')
    f.wait(99)
    assert.deepEqual(f.told, { canary: 1 })
    f.wait(1)
    assert.deepEqual(f.told, { canary: 1, rest: 1 })
    assert.equal(f.state.succeeded['canary']?.number, 1)
  })

  it('waits for the last node of a ring, and is done after the last ring', () => {
    const f = fleet(planOf())
    f.publish('a')
    f.say('a')
    f.wait(100)
    f.say('b')
    f.wait(1000)
    assert.equal(f.current?.why, '1 of 2 nodes of rest have it')
    f.say('c')
    f.wait(100)
    assert.equal(f.current?.state, 'done')
    assert.deepEqual(
      progress(f.state, f.plan).map(({ ring, state, enforced }) => [ring, state, enforced]),
      [
        ['canary', 'done', 1],
        ['rest', 'done', 2],
      ],
    )
    assert.deepEqual(
      f.state.ended.map(({ outcome, number }) => [outcome, number]),
      [['done', 1]],
    )
  })

  it('starts the soak again after a break in the gate', () => {
    const f = fleet(planOf())
    f.publish('a')
    f.say('a')
    f.wait(50)
    f.say('a', { outcome: 'failed', failure })
    assert.equal(f.current?.state, 'paused')
    f.wait(40)
    f.say('a', { outcome: 'unchanged' })
    f.wait(99)
    assert.equal(f.current?.at, 0)
    f.wait(1)
    assert.equal(f.current?.at, 1)
  })

  const pauses: [string, object, string][] = [
    ['refused this number', { outcome: 'refused', failure }, 'gate health: a says artifact-tampered'],
    [
      'refused without saying what',
      { outcome: 'refused', failure, number: null },
      'gate health: a says artifact-tampered',
    ],
    [
      'found another program attached',
      { outcome: 'failed', failure: { ...failure, code: 'attached-differs' } },
      'gate attached: a says attached-differs',
    ],
  ]
  for (const [what, fields, why] of pauses) {
    it(`pauses when a node ${what}`, () => {
      const f = fleet(planOf())
      f.publish('a')
      f.say('a', fields)
      assert.deepEqual([f.current?.state, f.current?.why], ['paused', why])
    })
  }

  it('pauses when a node falls silent, and goes on when it is heard again', () => {
    const f = fleet(planOf({ gates: { lostMs: 60 } }))
    f.publish('a')
    f.say('a')
    f.wait(61)
    assert.match(f.current?.why ?? '', /^gate lost: nothing was heard of a /)
    f.say('a')
    for (const _ of [1, 2]) {
      f.wait(50)
      f.say('a')
    }
    assert.equal(f.current?.at, 1)
  })

  it('pauses for a node that has never said anything', () => {
    const f = fleet(planOf({ gates: { lostMs: 60 } }))
    f.publish('a')
    f.wait(61)
    assert.match(f.current?.why ?? '', /^gate lost/)
  })

  it('passes a ring with as many healthy nodes as it must have', () => {
    const rings = [{ name: 'only', nodes: ['a', 'b', 'c', 'd'], minimumHealthy: 75 }]
    const f = fleet(planOf({ rings }))
    f.publish('a')
    for (const node of ['a', 'b']) f.say(node)
    f.say('d', { outcome: 'failed', failure })
    f.wait(1000)
    assert.equal(f.current?.state, 'releasing')
    f.say('c')
    f.wait(100)
    assert.equal(f.current?.state, 'done')
  })

  it('cuts an older rollout short; its ring goes back to what it ran before', () => {
    const f = fleet(planOf())
    f.complete('a')
    f.publish('b')
    f.say('a')
    f.wait(100)
    assert.deepEqual(f.told, { canary: 2, rest: 2 })
    f.publish('c')
    assert.deepEqual(f.told, { canary: 4, rest: 3 })
    assert.equal(f.state.released['rest']?.artifact, digestOf('a'))
    // The ring before it is shown to have soaked with that artifact, under the new number.
    const { number, artifact, basis } = f.state.succeeded['canary'] ?? {}
    assert.deepEqual({ number, artifact, basis }, { number: 3, artifact: digestOf('a'), basis: 1 })
    assert.deepEqual(f.state.ended.at(-1)?.outcome, 'superseded')
  })

  it('goes through rings without nodes', () => {
    const f = fleet(
      planOf({
        rings: [
          { name: 'x', nodes: [] },
          { name: 'y', nodes: [] },
        ],
        soakMs: 0,
      }),
    )
    f.publish('a')
    assert.equal(f.current?.state, 'done')
  })

  it('is not moved by reports of other releases, nodes and rings', () => {
    const f = fleet(planOf())
    f.publish('a')
    f.say('a', { number: 7 })
    f.say('x', { ring: 'canary' })
    f.say('b', { ring: 'canary' })
    f.wait(1e6)
    assert.deepEqual([f.current?.at, f.current?.state], [0, 'releasing'])
  })

  it('hears a node whose clock was ahead, and one whose clock was set back', () => {
    const f = fleet(planOf())
    f.publish('a')
    f.say('a', { at: '2099-01-01T00:00:00Z', outcome: 'failed', failure })
    assert.equal(f.current?.state, 'paused')
    f.wait(1)
    f.say('a')
    assert.equal(f.current?.state, 'soaking')
    f.now += 61_000
    f.say('a', { at: '1999-01-01T00:00:00Z', outcome: 'failed', failure })
    assert.equal(f.current?.state, 'paused')
    f.say('a', { at: 'no time at all' })
    assert.notEqual(f.current?.state, 'paused')
  })

  it('takes an older report for nothing new', () => {
    const f = fleet(planOf())
    f.publish('a')
    f.say('a')
    const { state } = f
    f.say('a', { at: new Date(0).toISOString(), outcome: 'failed', failure })
    assert.equal(f.state, state)
  })
})

it('a report of an agent that measures nothing is a report', () => {
  const old = {
    schema: 'heddle.report/1',
    node: 'a',
    ring: 'canary',
    at: 'x',
    sequence: 1,
    outcome: 'enforced',
  }
  const rest = { number: 1, artifact: digestOf('a'), generation: 1, failure: null, timings: {} }
  assert.equal(Report.parse({ ...old, ...rest }).measures, null)
  assert.equal(commitOf('a').length, 40)
})
