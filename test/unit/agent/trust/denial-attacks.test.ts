/** What was taken back stays away, and nobody takes a release before it is his turn. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { signStatement } from '../../../../functions/trust/statements.ts'
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import { PAYLOAD_TYPES, type PayloadType } from '../../../../pipelines/contract/dsse.ts'
import { DENIALS_TARGET } from '../../../../pipelines/contract/object-keys.ts'
import type { Denials } from '../../../../pipelines/contract/release.ts'
import { turnOf } from '../../../../pipelines/rollout/turns.ts'
import { eachTestAt, fleet, refused } from './refusal.ts'

eachTestAt(5)
let two: Digest
beforeEach(async () => {
  two = await fleet.artifact('two')
})

async function deny(
  denied: Digest[],
  as: { type: PayloadType; role: 'release' | 'policy' } = { type: PAYLOAD_TYPES.denials, role: 'release' },
): Promise<void> {
  const statement: Denials = { schema: 'heddle.denials/1', denied }
  const bytes = await signStatement(as.type, statement, fleet.published.keys[as.role])
  const put = [{ path: DENIALS_TARGET, bytes }]
  await fleet.published.repository.update(() => ({ release: { put } }))
}

test('a denied artifact is not taken, under whatever number', async () => {
  await deny([two])
  for (const number of [6, 7]) {
    await fleet.published.release('canary', number, two)
    await refused('artifact-denied')
  }
  await fleet.published.release('canary', 8, await fleet.artifact('three'))
  assert.equal((await fleet.pass()).outcome, 'enforced')
})

const forged: [string, { type: PayloadType; role: 'release' | 'policy' }][] = [
  ['by the builder', { type: PAYLOAD_TYPES.denials, role: 'policy' }],
  ['as a ring success', { type: PAYLOAD_TYPES.ringSuccess, role: 'release' }],
]
for (const [what, as] of forged) {
  test(`denials that are signed ${what} let nothing new through`, async () => {
    await deny([], as)
    await fleet.published.release('canary', 6, two)
    await refused('artifact-untrusted')
  })
}

test('a release is left alone until it is the node’s turn', async () => {
  const rollout = 'rollout-6'
  const turn = turnOf(rollout, 'node-0')
  await fleet.published.release('canary', 6, two, { rollout, through: turn - 1 })
  const waiting = await fleet.pass()
  assert.deepEqual([waiting.outcome, waiting.number, waiting.failure], ['unchanged', 5, null])
  await fleet.published.release('canary', 6, two, { rollout, through: turn })
  assert.equal((await fleet.pass()).outcome, 'enforced')
})
