/** WebhookSignatures with @octokit/webhooks: HMAC SHA-256, compared in constant time. */
import { Webhooks } from '@octokit/webhooks'
import type { WebhookSignatures } from '../ports.ts'

/** The one form that GitHub writes; SHA-1 and anything cut or padded is none. */
const SIGNATURE = /^sha256=[0-9a-f]{64}$/

/** `secrets`: those that are active, newest first; two are while one is replaced by the other. */
export function octokitSignatures(secrets: readonly string[]): WebhookSignatures {
  // An empty secret is a missing one, and everybody knows it.
  const active = secrets.filter((secret) => secret !== '').map((secret) => new Webhooks({ secret }))
  return {
    async opened(body, signature) {
      const text = exactText(body)
      if (text === undefined || text === '' || signature === undefined || !SIGNATURE.test(signature))
        return undefined
      let signed = false
      for (const webhooks of active) if (await webhooks.verify(text, signature)) signed = true
      return signed ? text : undefined
    },
  }
}

/**
 * The library signs a string. Only bytes that are UTF-8 become one that stands for these bytes alone: what
 * is no UTF-8 would be read as U+FFFD, and pass for a body that has that sign in the same place.
 */
function exactText(body: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    return undefined
  }
}
