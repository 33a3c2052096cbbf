/** Why a copy never came to its end. What was lost before it left the kernel is in the kernel's counters (COPY_*). */
export const LOST = [
  /** A part of it never came: the ring was full, or the client went within it. */
  'incomplete',
  /** It waited in the ring longer than anybody wants to see it. */
  'stale',
  /** Longer than what is copied. */
  'tooLarge',
  /** This node knows no such service. */
  'noService',
  /** The request has as many copies as it may. */
  'beyond',
  /** It was itself a copy. */
  'again',
  /** Not the one request that it should be. */
  'unreadable',
  /** The relay has as many in hand as it may. */
  'queue',
  'noEndpoint',
  /** Rules of the endpoint don't let it in. */
  'denied',
  /** No connection, or no whole response. */
  'failed',
  'timedOut',
] as const
export type Lost = (typeof LOST)[number]

/** Of copies: one request that goes to two places is two. */
export class CopyCounts {
  /** A whole response came. */
  delivered = 0
  readonly lost = Object.fromEntries(LOST.map((why) => [why, 0])) as Record<Lost, number>

  lose(why: Lost, copies = 1): void {
    this.lost[why] += copies
  }
}
