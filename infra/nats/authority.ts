/**
 * Who may speak on the bus, as JWTs: an operator vouches for an account, the account for two signing keys, each
 * of them scoped: what its users may do stands in the account's JWT, not in theirs. All seeds lie in one
 * directory of who enrols; servers get JWTs alone, and the functions the two signing keys.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeAccount, encodeGeneric, encodeOperator, newScopedSigner } from '@nats-io/jwt'
import { createAccount, createOperator, fromPublic, type KeyPair } from '@nats-io/nkeys'
import { MEMBERS_CLAIM, type NatsCredentials } from '../../functions/adapters/nats-issuer.ts'
import { nkeySigner } from '../../functions/adapters/nkey-signer.ts'
import type { BusMember } from '../../pipelines/contract/bus-members.ts'
import { functionsPermissions, nodePermissions, type Permissions } from '../../pipelines/contract/subjects.ts'
import { ensureKey } from './nkeys.ts'

/**
 * Seconds since the epoch, year 9999: a revocation speaks of JWTs issued before its time, so that a key that
 * must never come back is revoked until then, whoever signs for it.
 */
const FOR_EVER = 253_402_300_799
const UNLIMITED = { subs: -1, conn: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true }

/** What servers are told of whom they may believe. */
export type Accounts = { operator: string; system: string; preload: Record<string, string> }

export type BusAuthority = {
  credentials: NatsCredentials
  /** Users with these public keys are never let in again. */
  accounts(revoked: readonly string[]): Promise<Accounts>
  signMembers(members: readonly BusMember[]): Promise<string>
}

/** Makes what is missing; keys that are there stay. */
export async function openAuthority(directory: string): Promise<BusAuthority> {
  const key = async (name: string, make: () => KeyPair) =>
    nkeySigner(seedOf(await ensureKey(join(directory, `${name}.nk`), make)))
  const operator = await key('operator', createOperator)
  const account = await key('account', createAccount)
  const system = await key('system', createAccount)
  const functions = await key('functions', createAccount)
  const nodes = await key('nodes', createAccount)
  // Kept: a server takes another operator at a restart only.
  const vouched = await once(join(directory, 'operator.jwt'), () =>
    encodeOperator('heddle', operator, { system_account: system.getPublicKey() }),
  )
  const ours = fromPublic(account.getPublicKey())
  const signers = [
    newScopedSigner(functions, 'functions', templateOf(functionsPermissions())),
    // nats-server fills in the user's name and its tag `ring`, where they are a whole token of a subject.
    newScopedSigner(nodes, 'node', templateOf(nodePermissions('{{name()}}', '{{tag(ring)}}'))),
  ]
  const vouchedSystem = await once(join(directory, 'system.jwt'), () =>
    encodeAccount('system', fromPublic(system.getPublicKey()), { limits: UNLIMITED }, { signer: operator }),
  )
  return {
    credentials: {
      schema: 'heddle.bus-functions/1',
      account: account.getPublicKey(),
      functions: seedOf(functions),
      nodes: seedOf(nodes),
    },
    async accounts(revoked) {
      const revocations = Object.fromEntries(revoked.map((key) => [key, FOR_EVER]))
      const claims = { limits: UNLIMITED, signing_keys: signers, revocations }
      const jwt = await encodeAccount('heddle', ours, claims, { signer: operator })
      return {
        operator: vouched,
        system: system.getPublicKey(),
        preload: { [account.getPublicKey()]: jwt, [system.getPublicKey()]: vouchedSystem },
      }
    },
    signMembers: (members) => encodeGeneric('members', account, MEMBERS_CLAIM, { members }),
  }
}

const seedOf = (key: KeyPair): string => Buffer.from(key.getSeed()).toString()

function templateOf({ publish, subscribe }: Permissions) {
  return { pub: { allow: publish }, sub: { allow: subscribe } }
}

async function once(file: string, make: () => Promise<string>): Promise<string> {
  const existing = await readFile(file, 'utf8').catch(() => undefined)
  if (existing !== undefined) return existing.trim()
  const made = await make()
  await writeFile(file, `${made}\n`, { mode: 0o600 })
  return made
}
