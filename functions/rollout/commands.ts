/** Operators' commands: who signed one, and what it asks for. */
import { verify } from 'node:crypto'
import { open, PAYLOAD_TYPES } from '../../pipelines/contract/dsse.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { RolloutCommand } from '../../pipelines/rollout/command.ts'
import type { Signer } from '../ports.ts'
import { keyIdOf, publicKeyObject } from '../trust/keys.ts'
import { signStatement } from '../trust/statements.ts'

/** People who may steer rollouts, each with the 32 bytes of an Ed25519 key. */
export type Operators = readonly { name: string; publicKey: Uint8Array }[]

/** For who commands: the envelope's bytes. */
export function sealCommand(command: RolloutCommand, signer: Signer): Promise<Uint8Array> {
  return signStatement(PAYLOAD_TYPES.command, command, { signers: [signer], threshold: 1 })
}

/** The command in an envelope, and the operator who signed it. Throws Failure('command-untrusted'). */
export function openCommand(envelope: string, operators: Operators): { command: RolloutCommand; by: string } {
  let by: string | undefined
  const known = new Map(operators.map(({ name, publicKey }) => [keyIdOf(publicKey), { name, publicKey }]))
  const opened = open(parse(envelope), { payloadType: PAYLOAD_TYPES.command, threshold: 1 }, isSigned)
  if (!opened.ok || by === undefined) {
    const why = opened.ok ? 'nobody signed it' : opened.why
    throw new Failure('command-untrusted', `the command is not an operator's: ${why}`)
  }
  const command = RolloutCommand.safeParse(parse(Buffer.from(opened.payload).toString('utf8')))
  if (!command.success) throw new Failure('command-untrusted', 'an operator signed what is no command')
  return { command: command.data, by }

  function isSigned(keyid: string, message: Uint8Array, signature: Uint8Array): boolean {
    const operator = known.get(keyid)
    if (operator === undefined || !verify(null, message, publicKeyObject(operator.publicKey), signature))
      return false
    by ??= operator.name
    return true
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
