/** The roles of Heddle's TUF repository: who may say what, and for how long (decisions.md 1, 2). */
import { DELEGATED_ROLES } from '../../pipelines/contract/object-keys.ts'
import type { Signer } from '../ports.ts'

export const TOP_ROLES = ['root', 'targets', 'snapshot', 'timestamp'] as const
export const ROLES = [...TOP_ROLES, ...DELEGATED_ROLES] as const
export type RoleName = (typeof ROLES)[number]

/** Only an operator's command holds the keys of these; and those of the others are all that the functions hold. */
export const OFFLINE_ROLES = ['root', 'targets', 'code'] as const
export const ONLINE_ROLES = ['policy', 'release', 'snapshot', 'timestamp'] as const
export type OfflineRole = (typeof OFFLINE_ROLES)[number]
export type OnlineRole = (typeof ONLINE_ROLES)[number]

/** Who signs for a role: every signer signs, `threshold` of them are needed. */
export type RoleKeys = { signers: readonly Signer[]; threshold: number }
/** The log's key is no TUF role: the target `code/log.json`, which the offline code key signs, says which it is. */
export const LOG_KEY = 'log'
export type KeyName = RoleName | typeof LOG_KEY
/** All that the functions sign with. */
export type OnlineKeys = Record<OnlineRole | typeof LOG_KEY, RoleKeys>

/** How many keys a new role gets. Of the root's, one may be lost and one stolen, and nothing is lost. */
export const NEW_ROLE: Record<RoleName, { keys: number; threshold: number }> = {
  root: { keys: 3, threshold: 2 },
  targets: { keys: 1, threshold: 1 },
  code: { keys: 1, threshold: 1 },
  policy: { keys: 1, threshold: 1 },
  release: { keys: 1, threshold: 1 },
  snapshot: { keys: 1, threshold: 1 },
  timestamp: { keys: 1, threshold: 1 },
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/**
 * Milliseconds until metadata expires. Short lives bound how long a freeze attack can last (TUF
 * 5.4.4); what an offline key signs must outlive the gap between two ceremonies.
 */
export const LIFETIME_MS: Record<RoleName, number> = {
  root: 365 * DAY_MS,
  targets: 365 * DAY_MS,
  code: 365 * DAY_MS,
  policy: 30 * DAY_MS,
  release: 30 * DAY_MS,
  snapshot: 7 * DAY_MS,
  timestamp: 12 * HOUR_MS,
}

/** Metadata with less than this part of its life left is signed anew. */
export const REFRESH_PART = 0.5
