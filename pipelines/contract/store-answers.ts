/** What answers of an S3 server mean, and how long to wait before the next question. */

/**
 * missing: no such object. precondition: If-Match or If-None-Match did not hold. raced: it was not done, somebody
 * else was at it. unsure: it may have been done, now or later. denied, unfit: no later try changes that by itself.
 */
export type Meaning = 'missing' | 'precondition' | 'raced' | 'unsure' | 'denied' | 'unfit'

/** Errors of S3 by name that say more than their status does. */
const BY_NAME: Record<string, Meaning> = {
  NoSuchBucket: 'unfit',
  PermanentRedirect: 'unfit',
  IllegalLocationConstraintException: 'unfit',
  AuthorizationHeaderMalformed: 'unfit',
  ConditionalRequestConflict: 'raced',
  OperationAborted: 'raced',
  RequestTimeout: 'unsure',
  // The SDK has taken over the server's time by now.
  RequestTimeTooSkewed: 'raced',
  ExpiredToken: 'denied',
  InvalidToken: 'denied',
}

/** Status undefined = there was no answer. 500 is also what radosgw says to who lost a race of If-Match. */
export function meaningOf(status: number | undefined, name: string): Meaning {
  const named = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined
  if (status === undefined || named === undefined) return byStatus(status)
  return named
}

function byStatus(status: number | undefined): Meaning {
  if (status === 404) return 'missing'
  if (status === 412) return 'precondition'
  if (status === 409) return 'raced'
  if (status === 401 || status === 403) return 'denied'
  if (status !== undefined && status >= 300 && status < 400) return 'unfit'
  return 'unsure'
}

/** Milliseconds of the first pause at most, and of any. */
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000

/** "Full jitter": who was refused together does not come back together. `random` in [0, 1). */
export function pauseMs(attempt: number, random: number): number {
  return random * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt)
}

/** A name that the server chose, fit to be printed. */
export function plainName(name: unknown): string {
  return typeof name === 'string' && /^\w{1,64}$/.test(name) ? name : 'no error that S3 knows'
}
