import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RingChoice, ringsOf } from '../../../../pipelines/rollout/fleet.ts'

const nodes = [
  { name: 'a', labels: { stage: 'canary', zone: 'eu' } },
  { name: 'b', labels: { stage: 'prod', zone: 'eu' } },
  { name: 'c', labels: { stage: 'prod', zone: 'us' } },
]
const rings = (...choices: object[]) =>
  ringsOf(
    choices.map((choice) => RingChoice.parse(choice)),
    nodes,
  ).map(({ name, nodes: own }) => [name, own])

describe('rings by labels', () => {
  it('take the nodes that have all of their labels and are in no ring before', () => {
    assert.deepEqual(
      rings(
        { name: 'canary', match: { stage: 'canary' } },
        { name: 'eu', match: { zone: 'eu' } },
        { name: 'rest', match: {} },
      ),
      [
        ['canary', ['a']],
        ['eu', ['b']],
        ['rest', ['c']],
      ],
    )
  })

  it('stand beside rings that name their nodes', () => {
    assert.deepEqual(rings({ name: 'first', nodes: ['c'] }, { name: 'rest', match: {} }), [
      ['first', ['c']],
      ['rest', ['a', 'b']],
    ])
  })

  it('leave no node out, and have none twice', () => {
    assert.throws(() => rings({ name: 'canary', match: { stage: 'canary' } }), /node b is in no ring/)
    assert.throws(
      () => rings({ name: 'x', nodes: ['a'] }, { name: 'y', nodes: ['a', 'b', 'c'] }),
      /node a is in two rings/,
    )
  })
})
