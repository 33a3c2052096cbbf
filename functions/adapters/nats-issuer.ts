/**
 * Users of the bus, made by the account's scoped signing keys: what such a user may do is written in the
 * account's JWT beside the key, so that whoever steals one makes nodes, or functions, and nothing above them.
 */
import { decode, encodeUser } from '@nats-io/jwt'
import { createUser, fromPublic, type KeyPair } from '@nats-io/nkeys'
import { z } from 'zod'
import { type BusMember, BusMembers } from '../../pipelines/contract/bus-members.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { BusIssuer } from '../ports.ts'
import { nkeySigner } from './nkey-signer.ts'

const Seed = z.string().regex(/^SA[A-Z2-7]{56}$/)

/** A file that only the functions read, written by who enrols. */
export const NatsCredentials = z.strictObject({
  schema: z.literal('heddle.bus-functions/1'),
  /** The account's public key. */
  account: z.string().regex(/^A[A-Z2-7]{55}$/),
  /** Seeds of its two scoped signing keys: for users like the functions, and for nodes. */
  functions: Seed,
  nodes: Seed,
})
export type NatsCredentials = z.infer<typeof NatsCredentials>

/** Kind of the claim that carries the list of members. */
export const MEMBERS_CLAIM = 'heddle-bus-members'
const RING_TAG = 'ring:'

const MembersClaim = z.looseObject({
  iss: z.string(),
  nats: z.looseObject({ type: z.literal(MEMBERS_CLAIM), members: BusMembers }),
})
const UserClaim = z.looseObject({
  iss: z.string(),
  sub: z.string(),
  name: z.string(),
  exp: z.number(),
  nats: z.looseObject({ tags: z.array(z.string()) }),
})

export function natsIssuer({ account, nodes }: NatsCredentials): BusIssuer {
  const signer = nkeySigner(nodes)
  const owner = fromPublic(account)
  return {
    members(bytes) {
      try {
        // The signature is checked by decode, with the key that the claim itself names.
        const claim = MembersClaim.parse(decode(Buffer.from(bytes).toString()))
        if (claim.iss === account) return claim.nats.members
      } catch (cause) {
        throw new Failure('metadata-untrusted', 'the list of members of the bus is none', { cause })
      }
      throw new Failure('metadata-untrusted', 'the list of members of the bus is not signed by its account')
    },
    async issue({ node, ring, nkey }, endsAt) {
      const jwt = await encodeUser(
        node,
        fromPublic(nkey),
        owner,
        { tags: [`${RING_TAG}${ring}`] },
        { signer, scopedUser: true, exp: Math.floor(endsAt.getTime() / 1000) },
      )
      return Buffer.from(jwt)
    },
    endOf: (jwt, member) => endOf(jwt, member, signer.getPublicKey()),
  }
}

/** What is there is compared, not believed: the bus judges the signature. */
function endOf(jwt: Uint8Array, { node, ring, nkey }: BusMember, signer: string): number | undefined {
  try {
    const [, claims = ''] = Buffer.from(jwt).toString().split('.')
    const { iss, sub, name, exp, nats } = UserClaim.parse(
      JSON.parse(Buffer.from(claims, 'base64url').toString()),
    )
    const same = iss === signer && sub === nkey && name === node && nats.tags.includes(`${RING_TAG}${ring}`)
    return same ? exp * 1000 : undefined
  } catch {
    return undefined
  }
}

/** A user of the functions that nobody keeps: its key lives in this process, its JWT until `endsAt`. */
export async function functionsUser(
  { account, functions }: NatsCredentials,
  endsAt: Date,
): Promise<{ jwt: string; keys: KeyPair }> {
  const keys = createUser()
  const jwt = await encodeUser(
    'functions',
    fromPublic(keys.getPublicKey()),
    fromPublic(account),
    {},
    { signer: nkeySigner(functions), scopedUser: true, exp: Math.floor(endsAt.getTime() / 1000) },
  )
  return { jwt, keys }
}
