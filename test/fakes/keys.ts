import { generateKeyPairSync } from 'node:crypto'
import { memorySigner } from '../../functions/adapters/dev-keys.ts'
import type { Clock } from '../../functions/ports.ts'
import {
  LOG_KEY,
  type OfflineRole,
  type OnlineKeys,
  ROLES,
  type RoleKeys,
} from '../../functions/trust/roles.ts'

/** What no process of ours holds together: tests play every part. */
export type AllKeys = OnlineKeys & Record<OfflineRole, RoleKeys>

/** Fresh keys, `count` of them a role, all of them needed. */
export function memoryKeys(count = 1): AllKeys {
  const keys: Partial<AllKeys> = {}
  for (const role of [...ROLES, LOG_KEY] as const) {
    const signers = Array.from({ length: count }, () =>
      memorySigner(generateKeyPairSync('ed25519').privateKey),
    )
    keys[role] = { signers, threshold: count }
  }
  return keys as AllKeys
}

/** A clock that stands until it is moved. */
export function manualClock(
  start = Date.parse('2026-11-23T00:00:00Z'),
): Clock & { advance(ms: number): void } {
  let now = start
  return {
    now: () => new Date(now),
    advance(ms) {
      now += ms
    },
  }
}

export const systemClock: Clock = { now: () => new Date() }
