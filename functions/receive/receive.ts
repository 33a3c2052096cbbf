/**
 * Receive: a webhook says that something may have happened; what happened is asked of the forge.
 *
 * Replayed, reordered and redelivered webhooks therefore need no memory of deliveries: each of
 * them asks for the branch's head of now, and equal events are one message in the queue.
 */
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Forge, Queue } from '../ports.ts'
import { isSigned } from './webhook-signature.ts'

/** Bytes of a webhook's body; what a Lambda function can take. */
export const MAX_BODY_BYTES = 6 * 1024 * 1024

export type ReceivePorts = {
  forge: Forge
  queue: Queue
  /** The repository's full name and the branch that is delivered. */
  repository: string
  branch: string
  /** The active secrets, newest first. */
  secrets: readonly string[]
}

export type Webhook = { event: string | undefined; signature: string | undefined; body: Uint8Array }
export type Answer = { what: 'queued'; commit: string } | { what: 'ignored'; why: string }

/** The part of GitHub's push payload that is looked at. */
const Push = z.object({ ref: z.string(), repository: z.object({ full_name: z.string() }) })

/** Throws Failure('webhook-signature' | 'webhook-malformed' | 'webhook-too-large' | 'forge-unavailable'). */
export async function receive(ports: ReceivePorts, webhook: Webhook): Promise<Answer> {
  if (webhook.body.length > MAX_BODY_BYTES) {
    throw new Failure(
      'webhook-too-large',
      `the body has ${webhook.body.length} bytes, limit ${MAX_BODY_BYTES}`,
    )
  }
  if (!isSigned(webhook.body, webhook.signature, ports.secrets)) {
    throw new Failure('webhook-signature', 'X-Hub-Signature-256 is missing or not of an active secret')
  }
  if (webhook.event !== 'push') return { what: 'ignored', why: `event ${webhook.event ?? 'without a type'}` }
  const push = parsePush(webhook.body)
  if (push.repository.full_name !== ports.repository || push.ref !== `refs/heads/${ports.branch}`) {
    return { what: 'ignored', why: `${push.repository.full_name} ${push.ref} is not delivered` }
  }
  const commit = await ports.forge.head(ports.branch)
  if (commit === undefined) return { what: 'ignored', why: 'the branch is gone; the last release stays' }
  await ports.queue.send({ stage: 'validate', commit })
  return { what: 'queued', commit }
}

function parsePush(body: Uint8Array): z.infer<typeof Push> {
  try {
    return Push.parse(JSON.parse(Buffer.from(body).toString('utf8')))
  } catch (cause) {
    throw new Failure('webhook-malformed', 'the body is no push payload in JSON', { cause })
  }
}
