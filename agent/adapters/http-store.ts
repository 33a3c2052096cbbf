/** Object store behind plain HTTP(S) GET: a bucket, a CDN, a mirror. */
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Store } from '../ports.ts'

/** Milliseconds for one whole object; a server that trickles bytes is cut off here. */
const OBJECT_TIMEOUT_MS = 60_000

export function httpStore(base: string, timeoutMs = OBJECT_TIMEOUT_MS): Store {
  const root = base.endsWith('/') ? base : `${base}/`
  return {
    async get(key, maxBytes) {
      try {
        // identity: a compressed answer could swell past every bound while it is decoded.
        const response = await fetch(new URL(key, root), {
          headers: { 'accept-encoding': 'identity' },
          redirect: 'error',
          signal: AbortSignal.timeout(timeoutMs),
        })
        if (response.status === 404 || response.status === 403) {
          await response.body?.cancel()
          return undefined
        }
        if (!response.ok || response.body === null || response.headers.has('content-encoding')) {
          await response.body?.cancel()
          throw new Failure('store-unavailable', `${key}: HTTP ${response.status}`)
        }
        return await readBounded(response.body, key, maxBytes)
      } catch (cause) {
        if (cause instanceof Failure) throw cause
        throw new Failure('store-unavailable', `can't read ${key}`, { cause })
      }
    },
  }
}

async function readBounded(
  body: ReadableStream<Uint8Array>,
  key: string,
  maxBytes: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  // Leaving the loop by an error cancels the download.
  for await (const chunk of body) {
    length += chunk.length
    if (length > maxBytes) throw new Failure('store-too-large', `${key} has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length)
}
