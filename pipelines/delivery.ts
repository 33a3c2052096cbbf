/** Delivery: the stages behind the webhook as data, in the order in which a commit passes them; plan and post stand aside. */
import type { StageName } from './contract/events.ts'

export type StageLimits = {
  /** Milliseconds that one event may take before it is given to somebody else. */
  timeoutMs: number
  /** Deliveries of one event, then it is a dead letter. */
  attempts: number
}

export const DELIVERY: Record<StageName, StageLimits> = {
  validate: { timeoutMs: 60_000, attempts: 8 },
  compile: { timeoutMs: 120_000, attempts: 4 },
  sign: { timeoutMs: 30_000, attempts: 8 },
  publish: { timeoutMs: 60_000, attempts: 8 },
  rollout: { timeoutMs: 60_000, attempts: 12 },
  plan: { timeoutMs: 120_000, attempts: 8 },
  /** Nobody waits for a post, and a forge may be away for hours: 1000 is the most that SQS gives, 8 hours. */
  post: { timeoutMs: 120_000, attempts: 1000 },
}

const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 30_000

/** Milliseconds before the next delivery of an event that failed `attempts` times. */
export function retryDelay(attempts: number): number {
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 16))
}
