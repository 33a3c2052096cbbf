/** Fields of a 429, as bpf/protocols/http1/reply.h has them: when to come again, and what the limit is. */
import type { Limited } from './kernel-limits.ts'

/** Digits of every number: the kernel's reply has one size. */
const DIGITS = 8
const MOST = 99_999_999

const zeroes = (value: number) => String(Math.min(value, MOST)).padStart(DIGITS, '0')

/** With CRLF behind each. */
export function limitedFields({ retryAfter, quota, window }: Limited): string {
  const retry = String(Math.min(retryAfter, MOST)).padStart(DIGITS)
  return (
    `Retry-After:${retry}\r\n` +
    `RateLimit-Policy: "limit";q=${zeroes(quota)};w=${zeroes(window)}\r\n` +
    `RateLimit: "limit";r=0;t=${zeroes(retryAfter)}\r\n`
  )
}
