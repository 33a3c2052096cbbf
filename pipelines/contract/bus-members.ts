/** Who is a member of the bus: what who enrols says, and what a user's JWT is made from. */
import { z } from 'zod'
import { NodeName, RingName } from './release.ts'

/** Public NKEY of a user. */
export const UserKey = z.string().regex(/^U[A-Z2-7]{55}$/)

export const BusMember = z.strictObject({ node: NodeName, ring: RingName, nkey: UserKey })
export type BusMember = z.infer<typeof BusMember>

/** A hundred thousand nodes, at 150 bytes each, are far above what one bus carries. */
const MAX_MEMBERS = 100_000

export const BusMembers = z
  .array(BusMember)
  .max(MAX_MEMBERS)
  .refine((members) => new Set(members.map(({ node }) => node)).size === members.length, {
    message: 'a node is a member once',
  })

/** Bytes of the list as it is stored. */
export const MAX_MEMBERS_BYTES = 32 * 1024 * 1024
/** Bytes of one user's JWT, and of one certificate. */
export const MAX_CREDENTIAL_BYTES = 16_384

/**
 * What every server of the bus is called in its certificate: who connects asks for this name, wherever the
 * server is. Its authority signs for nobody else.
 */
export const BUS_SERVER_NAME = 'bus.heddle.internal'
