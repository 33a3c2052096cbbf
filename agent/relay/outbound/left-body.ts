/** The body of a request that was answered without it: read for nothing, so that the next request can be found. */
import type { Found, RequestHead } from './request-reader.ts'

/** Bytes of a body that are read for nothing. */
const MAX_LEFT_BYTES = 1_048_576

/** Can the next request be found behind this one? `left`: the end of its body was not read. */
export function nextCanBeFound({ body, expects, persistent, request }: RequestHead, left: boolean): boolean {
  if (!persistent || request.version === '1.0') return false
  if (!left) return true
  // A client that waits for a 100 may never send its body (RFC 9110 10.1.1).
  return !expects && !(body.framing === 'length' && body.length > MAX_LEFT_BYTES)
}

export class LeftBody {
  private bytes = 0

  /** One more part: is it the last, are more to come, or is there no end in sight? */
  take(found: Found): 'last' | 'more' | 'endless' {
    if (found.kind !== 'part') return 'endless'
    this.bytes += found.bytes.length
    if (found.last) return 'last'
    return this.bytes > MAX_LEFT_BYTES ? 'endless' : 'more'
  }
}
