import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openStatement, signStatement } from '../../../../functions/trust/statements.ts'
import type { RoleKeys } from '../../../../functions/trust/roles.ts'
import { PAYLOAD_TYPES } from '../../../../pipelines/contract/dsse.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { memoryKeys } from '../../../fakes/keys.ts'

const { rollout, ringSuccess } = PAYLOAD_TYPES
const { release: director, policy: builder } = memoryKeys()
const two = memoryKeys(2).release
const STATE = { released: { canary: 99 } }

const untrusted = (error: unknown) => error instanceof Failure && error.code === 'metadata-untrusted'

test('what the director has signed is read again', async () => {
  const envelope = await signStatement(rollout, STATE, director)
  assert.deepEqual(openStatement(rollout, envelope, director), STATE)
})

const forged: [string, () => Promise<Uint8Array>, RoleKeys][] = [
  ['that somebody else has signed', () => signStatement(rollout, STATE, builder), director],
  ['that was signed as something else', () => signStatement(ringSuccess, STATE, director), director],
  [
    'that one of two keys has signed twice',
    async () => {
      const [signer] = two.signers
      assert.ok(signer)
      return signStatement(rollout, STATE, { signers: [signer, signer], threshold: 2 })
    },
    two,
  ],
  ['without an envelope', async () => Buffer.from(JSON.stringify(STATE)), director],
]
for (const [what, make, keys] of forged) {
  test(`a statement ${what} is not read`, async () => {
    const envelope = await make()
    assert.throws(() => openStatement(rollout, envelope, keys), untrusted)
  })
}
