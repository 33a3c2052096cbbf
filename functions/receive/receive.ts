/**
 * Receive: a webhook says that something may have happened; what happened is asked of the forge.
 *
 * Replayed, reordered and redelivered webhooks therefore need no memory of deliveries: each of
 * them asks for the head of now, and equal events are one message in the queue.
 */
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Forge, Pulls, Queue, WebhookSignatures } from '../ports.ts'
import { subjectOf } from './webhook-event.ts'

/** Bytes of a webhook's body; what a Lambda function can take. */
export const MAX_BODY_BYTES = 6 * 1024 * 1024

export type ReceivePorts = {
  forge: Forge
  pulls: Pulls
  queue: Queue
  signatures: WebhookSignatures
  /** The repository's full name and the branch that is delivered. */
  repository: string
  branch: string
}

export type Webhook = { event: string | undefined; signature: string | undefined; body: Uint8Array }
export type Answer = { what: 'queued'; commit: string; pull?: number } | { what: 'ignored'; why: string }

/** Throws Failure('webhook-signature' | 'webhook-malformed' | 'webhook-too-large' | 'forge-unavailable'). */
export async function receive(ports: ReceivePorts, webhook: Webhook): Promise<Answer> {
  if (webhook.body.length > MAX_BODY_BYTES) {
    throw new Failure(
      'webhook-too-large',
      `the body has ${webhook.body.length} bytes, limit ${MAX_BODY_BYTES}`,
    )
  }
  const body = await ports.signatures.opened(webhook.body, webhook.signature)
  if (body === undefined) {
    throw new Failure('webhook-signature', 'X-Hub-Signature-256 is missing or not of an active secret')
  }
  const subject = subjectOf(webhook.event, body, ports)
  switch (subject.kind) {
    case 'none':
      return { what: 'ignored', why: subject.why }
    case 'head':
      return queueHead(ports)
    case 'pull':
      return queuePull(ports, subject.number)
  }
}

async function queueHead({ forge, queue, branch }: ReceivePorts): Promise<Answer> {
  const commit = await forge.head(branch)
  if (commit === undefined) return { what: 'ignored', why: 'the branch is gone; the last release stays' }
  await queue.send({ stage: 'validate', commit })
  return { what: 'queued', commit }
}

/** The head that the forge names, wherever it comes from: a fork's commits are read like any other. */
async function queuePull({ pulls, queue, branch }: ReceivePorts, number: number): Promise<Answer> {
  const pull = await pulls.pull(number)
  if (pull === undefined || !pull.open || pull.branch !== branch) {
    return { what: 'ignored', why: `pull request ${number} is not open, or not into ${branch}` }
  }
  await queue.send({ stage: 'validate', commit: pull.commit, pull: number })
  return { what: 'queued', commit: pull.commit, pull: number }
}
