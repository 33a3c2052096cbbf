/**
 * Events between stages: the bodies of queue messages. They name things by content, so that an
 * event that comes twice, late or out of order asks for what is already there.
 */
import { z } from 'zod'
import { Digest } from './artifact.ts'
import { Report } from './release.ts'

export const Commit = z.string().regex(/^[0-9a-f]{40,64}$/)
export const PullNumber = z.int().min(1)

/** Characters of an operator's signed command. */
export const MAX_COMMAND_CHARACTERS = 16_384

export const DeliveryEvent = z.discriminatedUnion('stage', [
  /**
   * A branch's head, or that of a pull request into it, read back from the forge by receive or by the
   * reconciler. What carries a pull request is judged and planned; nothing of it is ever published.
   */
  z.strictObject({ stage: z.literal('validate'), commit: Commit, pull: PullNumber.optional() }),
  /** `checked` is the blob with what validate found. */
  z.strictObject({ stage: z.literal('plan'), commit: Commit, pull: PullNumber, checked: Digest }),
  /** `validated` is the blob with the policy set and the digests of its files. */
  z.strictObject({ stage: z.literal('compile'), commit: Commit, validated: Digest }),
  z.strictObject({ stage: z.literal('sign'), commit: Commit, validated: Digest, artifact: Digest }),
  z.strictObject({ stage: z.literal('publish'), commit: Commit, artifact: Digest, provenance: Digest }),
  z.strictObject({
    stage: z.literal('rollout'),
    cause: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('published'), commit: Commit, artifact: Digest }),
      z.strictObject({ kind: z.literal('report'), report: Report }),
      /** A DSSE envelope around a RolloutCommand; who signed it is asked where it is obeyed. */
      z.strictObject({ kind: z.literal('command'), envelope: z.string().max(MAX_COMMAND_CHARACTERS) }),
      /** Time has passed: a soak may be over, metadata may need refreshing. */
      z.strictObject({ kind: z.literal('tick') }),
    ]),
  }),
  /** There may be news to show on the forge; what is to be shown is looked up when it is posted. */
  z.strictObject({
    stage: z.literal('post'),
    subject: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('status'), commit: Commit }),
      z.strictObject({ kind: z.literal('plan'), pull: PullNumber }),
    ]),
  }),
])
export type DeliveryEvent = z.infer<typeof DeliveryEvent>
export type StageName = DeliveryEvent['stage']
export type EventOf<S extends StageName> = Extract<DeliveryEvent, { stage: S }>
