/**
 * X-Hub-Signature-256: HMAC SHA-256 over the raw body, before anything of it is parsed.
 * Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** True when any active secret made the signature: two are active while one is replaced by the other. */
export function isSigned(body: Uint8Array, header: string | undefined, secrets: readonly string[]): boolean {
  const hex = /^sha256=([0-9a-f]{64})$/.exec(header ?? '')?.[1]
  if (hex === undefined) return false
  const given = Buffer.from(hex, 'hex')
  let signed = false
  for (const secret of secrets) {
    // An empty secret is a missing one, and everybody knows it.
    if (secret === '') continue
    if (timingSafeEqual(createHmac('sha256', secret).update(body).digest(), given)) signed = true
  }
  return signed
}

export function signatureOf(body: Uint8Array, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
}
