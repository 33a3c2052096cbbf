/** May a request be said again, on another connection, after its upstream was lost? */
import type { RequestHead } from './request-reader.ts'

/** Connections that one request is tried on: the pooled one, and two new ones. */
const MAX_ATTEMPTS = 3
/** RFC 9110 9.2.2: saying it twice is saying it once. */
const IDEMPOTENT = ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']

export type Sent = 'nothing' | 'head' | 'part' | 'all'

/** `sent`: of the request, to the upstream that was lost before it answered anything. */
export function mayRepeat({ method, body }: RequestHead, attempts: number, sent: Sent): boolean {
  if (attempts >= MAX_ATTEMPTS) return false
  if (sent === 'nothing') return true
  // What left is not kept.
  const bodySent = sent === 'part' || (sent === 'all' && body.framing !== 'none')
  return !bodySent && IDEMPOTENT.includes(method)
}
