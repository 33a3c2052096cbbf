import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { statusOf } from '../../../../functions/statuses.ts'
import { printer, summary } from '../../../../infra/local/push-output.ts'
import type { CommitStatus, RingProgress } from '../../../../pipelines/contract/commit-status.ts'

const ring = (state: RingProgress['state'], enforced: number): RingProgress => ({
  ring: 'canary',
  state,
  enforced,
  nodes: 2,
})
const finding = {
  file: 'policies/a.yaml',
  line: 7,
  column: 3,
  code: 'unknown-field',
  message: 'unknown field `x`',
  hint: 'did you mean `y`?',
  severity: 'error' as const,
}

describe('what a push prints', () => {
  it('names file, line, column, reason and what to write', () => {
    const { lines } = summary(statusOf('failure', 'refused', '1 error', { findings: [finding] }), 'done')
    assert.deepEqual(lines, [
      'policies/a.yaml:7:3: error: unknown field `x` [unknown-field]',
      '    did you mean `y`?',
      'failure: 1 error',
    ])
  })

  const published = statusOf('pending', 'published', 'published')
  const rollout = (state: RingProgress['state'], enforced: number) =>
    statusOf('pending', 'rollout', 'under way', { release: 3, rings: [ring(state, enforced)] })
  type Row = [string, CommitStatus, published: boolean, first: boolean, done: boolean]
  const rows: Row[] = [
    ['validated', statusOf('pending', 'validated', 'valid'), false, false, false],
    ['published', published, true, false, false],
    ['releasing to the first ring', rollout('releasing', 1), true, false, false],
    ['soaking in the first ring', rollout('soaking', 2), true, true, false],
    ['paused', rollout('paused', 1), true, true, true],
    ['done', statusOf('success', 'done', 'everywhere'), true, true, true],
    ['refused', statusOf('failure', 'refused', 'no'), true, true, true],
    ['superseded', statusOf('failure', 'superseded', 'newer'), true, true, true],
  ]
  for (const [what, status, ...ends] of rows) {
    it(`waits on or ends when the commit is ${what}`, () => {
      const finished = (['published', 'first-ring', 'done'] as const).map(
        (until) => summary(status, until).finished,
      )
      assert.deepEqual(finished, ends)
    })
  }

  it('says each line once', () => {
    const said: string[] = []
    const print = printer((line) => said.push(line))
    for (const enforced of [1, 1, 2]) print(rollout('releasing', enforced))
    assert.deepEqual(said, [
      'pending: under way',
      'release 3: canary releasing 1/2',
      'release 3: canary releasing 2/2',
    ])
  })
})
