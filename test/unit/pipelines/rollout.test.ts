import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Digest } from '../../../pipelines/contract/artifact.ts'
import type { Report } from '../../../pipelines/contract/release.ts'
import {
  begin,
  decide,
  NO_ROLLOUT,
  observe,
  progress,
  type RolloutPlan,
  step,
} from '../../../pipelines/rollout.ts'

const SEED = 20261123
const ONE: Digest = `sha256:${'1'.repeat(64)}`
const TWO: Digest = `sha256:${'2'.repeat(64)}`
const commit = (letter: string) => letter.repeat(40)
const plan: RolloutPlan = {
  rings: [
    { name: 'canary', nodes: ['a'] },
    { name: 'rest', nodes: ['b', 'c'] },
  ],
  soakMs: 100,
}

function report(node: string, number: number | null, fields: Partial<Report> = {}): Report {
  return {
    schema: 'heddle.report/1',
    node,
    ring: node === 'a' ? 'canary' : 'rest',
    at: '2026-11-23T00:00:00Z',
    sequence: 1,
    outcome: 'enforced',
    number,
    artifact: ONE,
    generation: 1,
    failure: null,
    timings: {},
    ...fields,
  }
}

const failure = { code: 'artifact-tampered', message: 'x', detail: [] }
const begun = () => begin(NO_ROLLOUT, plan, { commit: commit('a'), artifact: ONE })

describe('rollout', () => {
  it('releases to the first ring only', () => {
    const state = begun()
    assert.deepEqual(Object.keys(state.released), ['canary'])
    assert.deepEqual(state.succeeded, {})
    assert.deepEqual(decide(state, plan, 0), { kind: 'hold', until: null })
  })

  it('advances when every node has enforced this number for the whole soak, not before', () => {
    const state = observe(begun(), plan, report('a', 1))
    const soaking = step(state, plan, 1000)
    assert.deepEqual([soaking.state.current?.state, soaking.until], ['soaking', 1100])
    assert.equal(step(soaking.state, plan, 1099).state, soaking.state)
    const advanced = step(soaking.state, plan, 1100).state
    assert.deepEqual(Object.keys(advanced.released), ['canary', 'rest'])
    assert.equal(advanced.succeeded['canary']?.number, 1)
    assert.equal(advanced.current?.state, 'releasing')
  })

  it('waits for the last node of a ring, and is done after the last ring', () => {
    let state = step(step(observe(begun(), plan, report('a', 1)), plan, 0).state, plan, 100).state
    state = step(observe(state, plan, report('b', 1)), plan, 200).state
    assert.equal(state.current?.state, 'releasing')
    state = step(observe(state, plan, report('c', 1)), plan, 300).state
    assert.equal(step(state, plan, 399).state.current?.state, 'soaking')
    const done = step(state, plan, 400).state
    assert.equal(done.current?.state, 'done')
    assert.deepEqual(
      progress(done, plan).map(({ ring, state, enforced }) => [ring, state, enforced]),
      [
        ['canary', 'done', 1],
        ['rest', 'done', 2],
      ],
    )
  })

  it('starts the soak again after a break in the gate', () => {
    let state = step(observe(begun(), plan, report('a', 1)), plan, 0).state
    state = step(
      observe(state, plan, report('a', 1, { sequence: 2, outcome: 'failed', failure })),
      plan,
      50,
    ).state
    assert.equal(state.current?.state, 'paused')
    state = step(observe(state, plan, report('a', 1, { sequence: 3, outcome: 'unchanged' })), plan, 90).state
    assert.equal(step(state, plan, 100).state.current?.at, 0)
    assert.equal(step(state, plan, 190).state.current?.at, 1)
  })

  const pauses: [string, Partial<Report>, number | null][] = [
    ['refused this number', { outcome: 'refused', failure }, 1],
    ['failed on this number', { outcome: 'failed', failure }, 1],
    ['refused without saying what', { outcome: 'refused', failure }, null],
  ]
  for (const [what, fields, number] of pauses) {
    it(`pauses when a node ${what}`, () => {
      const state = observe(begun(), plan, report('a', number, fields))
      assert.deepEqual(decide(state, plan, 0), { kind: 'pause', node: 'a', why: 'artifact-tampered' })
    })
  }

  it('pauses in a later ring when a node of an earlier one fails', () => {
    let state = step(step(observe(begun(), plan, report('a', 1)), plan, 0).state, plan, 100).state
    for (const node of ['b', 'c']) state = observe(state, plan, report(node, 1))
    state = observe(state, plan, report('a', 1, { sequence: 2, outcome: 'failed', failure }))
    assert.equal(decide(state, plan, 1e6).kind, 'pause')
  })

  const unmoved: [string, Report][] = [
    ['of another release', report('a', 7)],
    ['of a node that is not in the plan', report('x', 1, { ring: 'canary' })],
    ['of a node that claims another ring', report('b', 1, { ring: 'canary' })],
  ]
  for (const [what, each] of unmoved) {
    it(`is not moved by a report ${what}`, () => {
      assert.equal(step(observe(begun(), plan, each), plan, 1e6).state.current?.state, 'releasing')
    })
  }

  it('gives every rollout a higher number, and tells which one it cut short', () => {
    const second = begin(begun(), plan, { commit: commit('b'), artifact: TWO })
    assert.deepEqual([second.current?.number, second.superseded?.commit], [2, commit('a')])
    assert.equal(second.released['canary']?.artifact, TWO)
    assert.equal(decide(observe(second, plan, report('a', 1)), plan, 1e6).kind, 'hold')
  })

  it('goes through rings without nodes, and through one ring alone', () => {
    const empty: RolloutPlan = {
      rings: [
        { name: 'x', nodes: [] },
        { name: 'y', nodes: [] },
      ],
      soakMs: 0,
    }
    const { state } = step(begin(NO_ROLLOUT, empty, { commit: commit('a'), artifact: ONE }), empty, 5)
    assert.deepEqual([state.current?.state, Object.keys(state.succeeded)], ['done', ['x', 'y']])
  })

  it('comes to the same state whatever order the reports come in, and however often', () => {
    const reports = [
      report('a', 1, { sequence: 1, outcome: 'failed', failure }),
      report('a', 1, { sequence: 2 }),
      report('b', null, { sequence: 4, outcome: 'refused', failure }),
      report('b', 1, { at: '2026-11-23T00:00:01Z', sequence: 1 }),
      report('c', 1, { sequence: 9, outcome: 'unchanged' }),
    ]
    fc.assert(
      fc.property(fc.shuffledSubarray([...reports, ...reports], { minLength: 10 }), (shuffled) => {
        const state = shuffled.reduce((at, each) => observe(at, plan, each), begun())
        assert.deepEqual(
          ['a', 'b', 'c'].map((node) => state.reports[node]?.outcome),
          ['enforced', 'enforced', 'unchanged'],
        )
      }),
      { seed: SEED },
    )
  })

  it('never releases to a ring before the ring ahead of it has succeeded with the same number', () => {
    const nodes = ['a', 'b', 'c']
    const event = fc.oneof(
      fc.record({ kind: fc.constant('begin' as const), letter: fc.constantFrom('a', 'b', 'c', 'd') }),
      fc.record({
        kind: fc.constant('report' as const),
        node: fc.constantFrom(...nodes),
        number: fc.nat(4),
        outcome: fc.constantFrom('enforced' as const, 'failed' as const),
      }),
      fc.record({ kind: fc.constant('time' as const), ms: fc.nat(150) }),
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let state = NO_ROLLOUT
        let now = 0
        for (const [sequence, each] of events.entries()) {
          const before = state.released
          if (each.kind === 'time') now += each.ms
          if (each.kind === 'begin')
            state = begin(state, plan, { commit: commit(each.letter), artifact: ONE })
          if (each.kind === 'report') {
            state = observe(state, plan, report(each.node, each.number, { sequence, outcome: each.outcome }))
          }
          state = step(state, plan, now).state
          const { canary, rest } = state.released
          if (rest !== undefined) assert.equal(state.succeeded['canary']?.number, rest.number)
          assert.ok((canary?.number ?? 0) >= (before['canary']?.number ?? 0))
          assert.ok((rest?.number ?? 0) >= (before['rest']?.number ?? 0))
        }
      }),
      { seed: SEED, numRuns: 500 },
    )
  })
})
