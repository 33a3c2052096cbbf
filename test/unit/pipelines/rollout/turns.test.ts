import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inTurn, turnOf } from '../../../../pipelines/rollout/turns.ts'
import { fleet, planOf } from './rollout-cases.ts'

describe('turns', () => {
  const nodes = Array.from({ length: 10 }, (_, index) => `n${index}`)

  it('give a ring the release some nodes at a time, in an order of the rollout', () => {
    const f = fleet(planOf({ rings: [{ name: 'only', nodes, atOnce: { percent: 35 } }] }))
    f.publish('a')
    const order = inTurn(f.current?.id ?? '', nodes)
    const takes = () =>
      nodes.filter((node) => turnOf(f.current?.id ?? '', node) <= (f.state.released['only']?.through ?? -1))
    assert.deepEqual(new Set(takes()), new Set(order.slice(0, 3)))
    for (const node of order.slice(0, 2)) f.say(node)
    assert.equal(takes().length, 3)
    f.say(order[2] ?? '')
    assert.deepEqual(new Set(takes()), new Set(order.slice(0, 6)))
    for (const node of order) f.say(node)
    assert.equal(takes().length, 10)
    f.wait(100)
    assert.equal(f.current?.state, 'done')
  })

  it('never let more nodes run what has not soaked than the blast radius allows', () => {
    const f = fleet(planOf({ rings: [{ name: 'only', nodes }], blastRadius: { nodes: 4 } }))
    f.publish('a')
    const told = () => f.state.released['only']?.nodes
    assert.equal(told(), 4)
    const order = inTurn(f.current?.id ?? '', nodes)
    for (const node of order.slice(0, 4)) f.say(node)
    assert.equal(told(), 4)
    f.wait(100)
    assert.equal(told(), 8)
    for (const node of order.slice(4, 8)) f.say(node)
    f.wait(100)
    assert.equal(told(), 10)
  })

  it('always let at least one node go, however small the ring', () => {
    const f = fleet(planOf({ rings: [{ name: 'only', nodes: ['a'], atOnce: { percent: 1 } }] }))
    f.publish('a')
    assert.equal(f.state.released['only']?.nodes, 1)
  })
})
