/** What the fleet trusts now: roles, keys, thresholds, expiry, and what an operator should do about it. */
import type { Clock, ObjectStore } from '../ports.ts'
import { readAuthority } from './authority.ts'
import { isSigned } from './metadata.ts'
import { readPublished } from './published.ts'
import { needsRefresh } from './repository-state.ts'
import { OFFLINE_ROLES, ROLES, type RoleName } from './roles.ts'
import { quorumOf } from './signing.ts'

export type RoleStatus = {
  role: RoleName
  custody: 'offline' | 'online'
  threshold: number
  /** Key ids. */
  keys: readonly string[]
  /** Null = the functions have published none yet. */
  version: number | null
  /** ISO 8601. */
  expires: string | null
  /** `unsigned`: what is published is not signed as root or targets want it now. */
  state: 'good' | 'ageing' | 'expired' | 'unsigned' | 'unpublished'
}

export type TrustStatus = {
  /** Versions of the trusted root and of the newest one that a chain of signatures leads to. */
  root: { trusted: number; newest: number }
  roles: RoleStatus[]
  /** What expires first. */
  next: { role: RoleName; expires: string } | null
  /** Signed by the offline keys, not yet taken over by the functions. */
  waiting: string[]
}

/** Throws Failure('metadata-untrusted' | 'metadata-rollback' | 'store-unavailable'). */
export async function trustStatus(
  store: ObjectStore,
  trustedRoot: Uint8Array,
  clock: Clock,
): Promise<TrustStatus> {
  const { roots, root, targets, code } = await readAuthority(store, trustedRoot)
  const published = await readPublished(store)
  const authority = { root, targets: targets.metadata }
  const now = clock.now()
  const roles = ROLES.map((role): RoleStatus => {
    const { keyIDs, threshold } = quorumOf(authority, role)
    const metadata = role === 'root' ? root : published[role]
    const delegator = role in root.signed.roles ? root : targets.metadata
    const expires = metadata?.signed.expires ?? null
    const offline: readonly RoleName[] = OFFLINE_ROLES
    let state: RoleStatus['state'] = 'good'
    if (metadata === undefined || expires === null) state = 'unpublished'
    else if (!isSigned(delegator, role, metadata)) state = 'unsigned'
    else if (Date.parse(expires) <= now.getTime()) state = 'expired'
    else if (needsRefresh(role, expires, now)) state = 'ageing'
    const custody = offline.includes(role) ? 'offline' : 'online'
    return {
      role,
      custody,
      threshold,
      keys: keyIDs,
      version: metadata?.signed.version ?? null,
      expires,
      state,
    }
  })
  const [first] = roles
    .flatMap(({ role, expires }) => (expires === null ? [] : [{ role, expires }]))
    .sort((a, b) => Date.parse(a.expires) - Date.parse(b.expires))
  const newer = Object.entries({ targets, code } as const).filter(
    ([role, { file }]) => published[role as 'targets' | 'code']?.signed.version !== file.version,
  )
  return {
    root: { trusted: roots[0].signed.version, newest: root.signed.version },
    roles,
    next: first ?? null,
    waiting: newer.map(([role, { file }]) => `${role} ${file.version}`),
  }
}
