import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf, fleet, measured, planOf } from './rollout-cases.ts'

describe('operators', () => {
  it('pause and resume', () => {
    const f = fleet(planOf())
    f.publish('a')
    assert.equal(f.command('pause', { why: 'lunch' }), null)
    f.say('a')
    f.wait(1000)
    assert.deepEqual([f.current?.state, f.current?.why, f.current?.at], ['paused', 'ada: lunch', 0])
    assert.equal(f.command('resume'), null)
    f.wait(100)
    assert.equal(f.current?.at, 1)
  })

  it('promote past the rest of a soak, never past a node that has it not', () => {
    const f = fleet(planOf({ soakMs: 1e6 }))
    f.publish('a')
    f.command('promote')
    assert.equal(f.current?.at, 0)
    f.say('a')
    assert.equal(f.current?.at, 1)
    f.say('b')
    f.say('c')
    assert.equal(f.current?.state, 'soaking')
  })

  it('abort: back, and denied', () => {
    const f = fleet(planOf())
    f.complete('a')
    f.publish('b')
    f.command('abort', { why: 'wrong' })
    assert.deepEqual([f.current?.kind, f.state.released['canary']?.artifact], ['rollback', digestOf('a')])
    assert.deepEqual(
      [f.state.ended.at(-1)?.outcome, f.state.ended.at(-1)?.why],
      ['aborted', 'aborted by ada: wrong'],
    )
    assert.equal(f.state.denied[0]?.artifact, digestOf('b'))
  })

  it('roll back what is done, to the one before or to the one they name', () => {
    const f = fleet(planOf())
    for (const letter of ['a', 'b', 'c']) f.complete(letter)
    assert.equal(f.command('rollback'), null)
    assert.deepEqual(f.told, { canary: 4, rest: 4 })
    assert.equal(f.state.released['rest']?.artifact, digestOf('b'))
    for (const node of ['a', 'b', 'c']) f.say(node)
    assert.equal(f.current?.state, 'done')
    assert.match(f.command('rollback', { to: digestOf('c') }) ?? '', /denied/)
    assert.equal(f.command('rollback', { to: digestOf('a') }), null)
    assert.equal(f.state.released['rest']?.artifact, digestOf('a'))
  })

  it('stop everything but the way back', () => {
    const f = fleet(planOf({ gates: { unintended: { most: 0.01 } } }))
    f.complete('a')
    f.publish('b')
    f.say('a')
    f.command('stop', { why: 'incident' })
    f.wait(1000)
    assert.deepEqual(f.told, { canary: 2, rest: 1 })
    assert.equal(f.current?.why, 'stopped by ada: incident')
    f.publish('c')
    assert.deepEqual(f.told, { canary: 2, rest: 1 })
    f.command('start')
    assert.deepEqual(f.told, { canary: 3, rest: 1 })
    f.command('stop')
    f.say('a', { measures: measured({ unintended: 50 }) })
    assert.deepEqual([f.current?.kind, f.told['canary']], ['rollback', 4])
  })

  it('are obeyed once, about the rollout that they named, and not for ever', () => {
    const f = fleet(planOf())
    f.complete('a')
    f.publish('b')
    f.command('pause', { id: 'same-command' })
    const { state } = f
    f.command('abort', { id: 'same-command' })
    assert.deepEqual(f.state.commanded, state.commanded)
    assert.match(f.command('abort', { rollout: '1-aaaa' }) ?? '', /the rollout is 2-/)
    assert.equal(f.command('abort', { at: f.now - 3_600_000 }), 'the command is too old')
    assert.equal(f.current?.kind, 'release')
  })
})

describe('a freeze', () => {
  it('keeps a ring from beginning, lets a soak go on, and never holds up the way back', () => {
    const f = fleet(planOf({ gates: { unintended: { most: 0.01 } } }))
    f.complete('a')
    f.publish('b')
    f.say('a')
    f.frozenUntil = f.now + 5000
    assert.equal(f.wait(100), f.frozenUntil)
    assert.deepEqual([f.told['rest'], f.current?.state], [1, 'soaking'])
    f.say('a', { measures: measured({ unintended: 9 }) })
    assert.equal(f.current?.kind, 'rollback')
    f.say('a')
    assert.equal(f.current?.state, 'done')
    f.publish('c')
    assert.match(f.current?.why ?? '', /^frozen until/)
    f.frozenUntil = null
    f.step()
    assert.equal(f.told['canary'], 4)
  })
})
