import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { memorySigner } from '../../../../functions/adapters/dev-keys.ts'
import { openCommand, sealCommand } from '../../../../functions/rollout/commands.ts'
import { signStatement } from '../../../../functions/trust/statements.ts'
import { PAYLOAD_TYPES } from '../../../../pipelines/contract/dsse.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import type { RolloutCommand } from '../../../../pipelines/rollout/command.ts'

const signerOf = () => memorySigner(generateKeyPairSync('ed25519').privateKey)
const ada = signerOf()
const bob = signerOf()
const operators = [
  { name: 'ada', publicKey: ada.publicKey },
  { name: 'bob', publicKey: bob.publicKey },
]
const command: RolloutCommand = {
  schema: 'heddle.command/1',
  id: '12345678-abcd',
  verb: 'pause',
  rollout: '1-aaaa',
  to: null,
  why: 'lunch',
  at: 1,
}
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

function refused(envelope: string, who = operators): void {
  assert.throws(
    () => openCommand(envelope, who),
    (error) => error instanceof Failure && error.code === 'command-untrusted',
  )
}

describe('a command', () => {
  it('is opened with the name of the operator who signed it', async () => {
    assert.deepEqual(openCommand(text(await sealCommand(command, bob)), operators), { command, by: 'bob' })
  })

  it('of nobody who is an operator is refused', async () => {
    refused(text(await sealCommand(command, signerOf())))
    refused(text(await sealCommand(command, ada)), operators.slice(1))
    refused(text(await sealCommand(command, ada)), [])
  })

  it('is refused with any of its bytes changed', async () => {
    const honest = JSON.parse(text(await sealCommand(command, ada)))
    const payload = Buffer.from(honest.payload, 'base64')
    for (let at = 0; at < payload.length; at++) {
      const changed = Buffer.from(payload)
      changed[at] = (changed[at] ?? 0) ^ 1
      refused(JSON.stringify({ ...honest, payload: changed.toString('base64') }))
    }
    refused(JSON.stringify({ ...honest, signatures: [] }))
    refused('no envelope')
    refused('')
  })

  it('signed as something else is none, and neither is something else signed as a command', async () => {
    const keys = { signers: [ada], threshold: 1 }
    refused(text(await signStatement(PAYLOAD_TYPES.rollout, command, keys)))
    refused(text(await signStatement(PAYLOAD_TYPES.command, { ...command, verb: 'explode' }, keys)))
    refused(text(await signStatement(PAYLOAD_TYPES.command, { ...command, extra: true }, keys)))
  })
})
