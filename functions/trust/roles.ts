/** The roles of Heddle's TUF repository: who may say what, and for how long (decisions.md 1, 2). */
import { DELEGATED_ROLES } from '../../pipelines/contract/object-keys.ts'
import type { Signer } from '../ports.ts'

export const TOP_ROLES = ['root', 'targets', 'snapshot', 'timestamp'] as const
export const ROLES = [...TOP_ROLES, ...DELEGATED_ROLES] as const
export type RoleName = (typeof ROLES)[number]

/** Who signs for a role: every signer signs, `threshold` of them are needed. */
export type RoleKeys = { signers: readonly Signer[]; threshold: number }
/** The keys of the ceremony; and those that the functions hold. */
export type AllKeys = Record<RoleName, RoleKeys>
export type OnlineKeys = Pick<AllKeys, 'policy' | 'release' | 'snapshot' | 'timestamp'>

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
