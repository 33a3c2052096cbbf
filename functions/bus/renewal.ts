/**
 * Renewal: what a node shows to the bus ends within a day, and lies in the store anew before that. Through the
 * store, because a node that was away for longer has no bus to ask; in the open, because a user's JWT is worth
 * nothing without the node's key. Who is no member any more is not renewed.
 */
import type { BusMember } from '../../pipelines/contract/bus-members.ts'
import { MAX_CREDENTIAL_BYTES, MAX_MEMBERS_BYTES } from '../../pipelines/contract/bus-members.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { BUS_MEMBERS_KEY, busJwtKey } from '../../pipelines/contract/object-keys.ts'
import type { BusIssuer, Clock, ObjectStore } from '../ports.ts'

export type RenewalPorts = { store: ObjectStore; issuer: BusIssuer; clock: Clock }

/** Milliseconds that a node's JWT lives, unless somebody says otherwise: a day. */
export const JWT_LIFE_MS = 86_400_000
/** Part of its life that is left when another one is made: nodes ask for it from a third on. */
const RENEWED_AT = 1 / 2
/** Members of one look whose time has come; more wait for the next, so that a fleet does not renew as one. */
const AT_ONCE = 500

export type Renewed = { members: number; issued: number }

/**
 * One look, to be repeated; the result remembers between two looks when whose time comes. Throws
 * Failure('metadata-untrusted' | 'store-unavailable').
 */
export function renewal(ports: RenewalPorts, lifeMs: number): () => Promise<Renewed> {
  const { store, issuer, clock } = ports
  let known: { version: string; members: BusMember[] } | undefined
  const due = new Map<string, number>()

  async function members(): Promise<BusMember[]> {
    const list = await store.get(BUS_MEMBERS_KEY, MAX_MEMBERS_BYTES)
    if (list === undefined) return []
    if (known?.version !== list.version) {
      known = { version: list.version, members: issuer.members(list.bytes) }
      due.clear()
    }
    return known.members
  }

  return async () => {
    const all = await members()
    const now = clock.now().getTime()
    const asked = all.filter(({ node }) => (due.get(node) ?? 0) <= now).slice(0, AT_ONCE)
    let issued = 0
    for (const member of asked) {
      const { ends, made } = await renewOne(ports, member, now + lifeMs, lifeMs * RENEWED_AT)
      due.set(member.node, ends - lifeMs * RENEWED_AT)
      if (made) issued++
    }
    return { members: all.length, issued }
  }
}

/** `margin`: milliseconds that must be left of what is there. */
async function renewOne(
  { store, issuer, clock }: RenewalPorts,
  member: BusMember,
  endsAt: number,
  margin: number,
): Promise<{ ends: number; made: boolean }> {
  const key = busJwtKey(member.node)
  const kept = await store.get(key, MAX_CREDENTIAL_BYTES)
  const ends = kept === undefined ? undefined : issuer.endOf(kept.bytes, member)
  if (ends !== undefined && ends - margin > clock.now().getTime()) return { ends, made: false }
  try {
    await store.replace(key, await issuer.issue(member, new Date(endsAt)), kept?.version)
  } catch (error) {
    // Another process renews as well: the next look finds what it wrote.
    if (!(error instanceof Failure) || error.code !== 'store-conflict') throw error
    return { ends: 0, made: false }
  }
  return { ends: endsAt, made: true }
}
