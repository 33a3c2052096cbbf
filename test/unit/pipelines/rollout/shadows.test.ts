import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { statementsOf } from '../../../../functions/rollout/targets.ts'
import type { ShadowReport } from '../../../../pipelines/contract/release.ts'
import { digestOf, fleet, planOf } from './rollout-cases.ts'

const shadow = (
  number: number,
  letter: string,
  fields: Partial<ShadowReport> = {},
): { shadow: ShadowReport } => ({
  shadow: {
    number,
    artifact: digestOf(letter),
    beside: digestOf('a'),
    agree: 100,
    newDenies: 0,
    unintended: 0,
    newAllows: 0,
    other: 0,
    unseen: 0,
    samples: [],
    ...fields,
  },
})
const gates = { shadow: { newDenies: 0.01, newAllows: 0.01, minimumSamples: 50 } }
const shadows = (f: ReturnType<typeof fleet>) =>
  statementsOf(f.state, f.plan).shadows.map(({ ring, number, artifact }) => [ring, number, artifact])

describe('a shadow as a gate', () => {
  it('comes before the ring takes the release, and ends when it does', () => {
    const f = fleet(planOf({ gates }))
    f.complete('a')
    f.publish('b')
    assert.deepEqual(f.told, { canary: 1, rest: 1 })
    assert.deepEqual(shadows(f), [['canary', 2, digestOf('b')]])
    f.say('a', shadow(2, 'b', { agree: 49 }))
    assert.match(f.current?.why ?? '', /^in shadow in canary: 49 of 50/)
    f.say('a', shadow(2, 'b'))
    assert.deepEqual(f.told, { canary: 2, rest: 1 })
    assert.deepEqual(shadows(f), [])
    f.say('a')
    f.wait(100)
    assert.deepEqual(shadows(f), [['rest', 2, digestOf('b')]])
  })

  it('is not asked where nothing runs that could be compared', () => {
    const f = fleet(planOf({ gates }))
    f.publish('a')
    assert.deepEqual([f.told, shadows(f)], [{ canary: 1 }, []])
  })

  const trips: [string, Partial<ShadowReport>, boolean][] = [
    ['refusals that nobody declared', { newDenies: 9, unintended: 9 }, true],
    ['refusals that are meant', { newDenies: 9, unintended: 0 }, false],
    ['requests that were refused and are let in', { newAllows: 9 }, true],
  ]
  for (const [what, found, back] of trips) {
    it(`${back ? 'sends' : 'does not send'} back for ${what}; no ring ran it`, () => {
      const f = fleet(planOf({ gates }))
      f.complete('a')
      f.publish('b')
      f.say('a', shadow(2, 'b', found))
      assert.equal(f.current?.kind, back ? 'rollback' : 'release')
      assert.equal(f.state.released['canary']?.artifact, digestOf(back ? 'a' : 'b'))
      assert.equal(f.state.denied.length, back ? 1 : 0)
    })
  }

  it('hears nothing of other releases', () => {
    const f = fleet(planOf({ gates }))
    f.complete('a')
    f.publish('b')
    f.say('a', shadow(1, 'b'))
    f.say('a', shadow(2, 'c'))
    assert.equal(f.told['canary'], 1)
  })
})

describe('a shadow by command', () => {
  it('runs while the release waits, and holds nothing up', () => {
    const f = fleet(planOf())
    f.complete('a')
    f.command('stop')
    f.publish('b')
    assert.deepEqual(shadows(f), [])
    assert.equal(f.command('shadow'), null)
    assert.deepEqual(shadows(f), [['canary', 2, digestOf('b')]])
    f.command('start')
    assert.deepEqual([f.told['canary'], shadows(f)], [2, []])
    assert.match(f.command('shadow') ?? '', /has taken it already/)
  })
})
