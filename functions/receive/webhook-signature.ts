/**
 * X-Hub-Signature-256 as its sender makes it: HMAC SHA-256 over the raw body. What is received is
 * checked by adapters/octokit-signatures.ts.
 * Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
 */
import { createHmac } from 'node:crypto'

export function signatureOf(body: Uint8Array, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
}
