/**
 * Affinity for clients whose application sets no cookie: a request without one gets a value by lot, its
 * endpoint by the hash of that value, and the value with the answer; what comes with it goes the same way.
 */
import type { Request } from '../protocols/http1-request.ts'
import { hashed } from './balance-key.ts'
import type { HashOf } from './model.ts'

type CookieHash = Extract<HashOf, { of: 'cookie' }>

/** `setCookie`: the field's value (RFC 6265 4.1). */
export type SessionCookie = { value: string; setCookie: string }

/** The service sets the cookie itself. */
export function setsCookie(hash: HashOf): hash is CookieHash & { ttlSeconds: number } {
  return hash.of === 'cookie' && hash.ttlSeconds !== undefined
}

/** Undefined = the service sets none, or the request has one. `random`: 32 bits a call. */
export function sessionCookie(
  hash: HashOf,
  request: Request,
  random: () => number,
): SessionCookie | undefined {
  if (!setsCookie(hash) || hashed(hash, request) !== undefined) return undefined
  const value = [random(), random()].map((word) => word.toString(16).padStart(8, '0')).join('')
  const age = hash.ttlSeconds === 0 ? '' : `; Max-Age=${hash.ttlSeconds}`
  return { value, setCookie: `${hash.name}=${value}; Path=/${age}; HttpOnly` }
}
