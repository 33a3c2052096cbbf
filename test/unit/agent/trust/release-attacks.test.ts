/** Attacks behind good metadata: which release, in which order of rings. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signStatement } from '../../../../functions/trust/statements.ts'
import { PAYLOAD_TYPES } from '../../../../pipelines/contract/dsse.ts'
import { successTarget } from '../../../../pipelines/contract/object-keys.ts'
import type { RingSuccess } from '../../../../pipelines/contract/release.ts'
import { eachTestAt, fleet, one, refused } from './refusal.ts'

eachTestAt(5)

test('rollback: a release with a lower number, also after a restart', async () => {
  await fleet.published.release('canary', 4, await fleet.artifact('old'))
  await refused('release-replayed')
  await refused('release-replayed')
})

test('rollback: the accepted number again with another artifact', async () => {
  await fleet.published.release('canary', 5, await fleet.artifact('other'))
  await refused('release-replayed')
})

test('rollback: a number that was accepted but never ran binds as well', async () => {
  fleet.kernel.rejecting = true
  await fleet.published.release('canary', 9, await fleet.artifact('heavy'))
  assert.equal((await fleet.pass()).failure?.code, 'verifier-rejected')
  fleet.kernel.rejecting = false
  await fleet.published.release('canary', 8, await fleet.artifact('light'))
  await refused('release-replayed')
})

test('wrong ring: a release of another ring under our name', async () => {
  await fleet.published.release('canary', 6, await fleet.artifact('two'), { ring: 'prod' })
  await refused('release-wrong-ring')
})

test('a release that is malformed', async () => {
  const wrong = { schema: 'heddle.release/2' } as unknown as Record<string, never>
  await fleet.published.release('canary', 6, one, wrong)
  await refused('artifact-untrusted')
})

const prod = { ring: 'prod', previousRing: 'canary' }

test('out-of-order ring: no release before the ring before has succeeded with this very one', async () => {
  const two = await fleet.artifact('two')
  await fleet.published.release('prod', 6, two)
  await refused('release-out-of-order', prod)
  await fleet.published.succeed('canary', 5, one)
  await refused('release-out-of-order', prod)
  await fleet.published.succeed('canary', 6, one)
  await refused('release-out-of-order', prod)
  await fleet.published.succeed('canary', 6, two, { ring: 'prod' })
  await refused('release-out-of-order', prod)
  await fleet.published.succeed('canary', 6, two)
  assert.equal((await fleet.pass(prod)).outcome, 'enforced')
})

/** A success of canary with release 6, signed as the test says. */
async function putSuccess(make: (statement: RingSuccess) => Promise<Uint8Array>): Promise<void> {
  const two = await fleet.artifact('two')
  await fleet.published.release('prod', 6, two)
  const statement: RingSuccess = {
    schema: 'heddle.ring-success/1',
    ring: 'canary',
    number: 6,
    artifact: two,
    rollout: 'rollout-6',
    nodes: 1,
    basis: null,
  }
  const bytes = await make(statement)
  const target = { path: successTarget('canary'), bytes }
  await fleet.published.repository.update(() => ({ release: { put: [target] } }))
}

test('out-of-order ring: a success signed by the builder', async () => {
  const { keys } = fleet.published
  await putSuccess((statement) => signStatement(PAYLOAD_TYPES.ringSuccess, statement, keys.policy))
  await refused('artifact-untrusted', prod)
})

test('out-of-order ring: a success signed as provenance', async () => {
  const { keys } = fleet.published
  await putSuccess((statement) => signStatement(PAYLOAD_TYPES.provenance, statement, keys.release))
  await refused('artifact-untrusted', prod)
})
