/**
 * When a request is sent again (HTTPRouteRetry; GEP-1731). Only one that may be said twice is: its
 * method is idempotent (RFC 9110 9.2.2: a proxy must not repeat others) and it has no body, or
 * nothing of it has left.
 */
import type { Retry } from './route.ts'

/** Milliseconds to which waiting grows; a policy's own backoff may be longer from the start. */
const GROWS_TO_MS = 1_000

/**
 * What became of a try: the status of its response, or none came: no connection, one that broke
 * off, or the time of one backend was over.
 */
export type Tried = number | 'no response'

/**
 * Milliseconds to wait before the request is sent again; undefined = what became of it stands.
 * `tries`: so far, the first one with them. Waiting doubles with every try.
 */
export function retryWait(retry: Retry | undefined, tries: number, tried: Tried): number | undefined {
  if (retry === undefined || tries > retry.attempts) return undefined
  if (tried !== 'no response' && !retry.codes.includes(tried)) return undefined
  return Math.max(retry.backoff, Math.min(retry.backoff * 2 ** (tries - 1), GROWS_TO_MS))
}
