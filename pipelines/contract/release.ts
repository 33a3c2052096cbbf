/** Release: the director's statement that a ring should run an artifact. */
import { z } from 'zod'
import { Digest } from './artifact.ts'

export const RingName = z.string().regex(/^[a-z0-9-]{1,32}$/)
export const NodeName = z.string().regex(/^[a-z0-9-]{1,63}$/)

/** TUF target `release/<ring>.json`. `number` only grows, per fleet. */
export const Release = z.strictObject({
  schema: z.literal('heddle.release/1'),
  ring: RingName,
  number: z.int().min(1),
  artifact: Digest,
  commit: z.string(),
  rollout: z.string(),
})
export type Release = z.infer<typeof Release>

/** Signed (DSSE, director) when a ring has soaked; ring n+1 takes the release only with it. */
export const RingSuccess = z.strictObject({
  schema: z.literal('heddle.ring-success/1'),
  ring: RingName,
  number: z.int().min(1),
  artifact: Digest,
  rollout: z.string(),
  nodes: z.array(NodeName),
})
export type RingSuccess = z.infer<typeof RingSuccess>

/** What an agent says after each reconcile that changed or refused something. */
export const Report = z.strictObject({
  schema: z.literal('heddle.report/1'),
  node: NodeName,
  ring: RingName,
  at: z.string(),
  sequence: z.int(),
  outcome: z.enum(['enforced', 'refused', 'failed', 'unchanged']),
  number: z.int().nullable(),
  artifact: Digest.nullable(),
  generation: z.int().nullable(),
  failure: z
    .strictObject({ code: z.string(), message: z.string(), detail: z.array(z.string()).max(20) })
    .nullable(),
  /** Milliseconds: hint to enforced, and the flip itself. */
  timings: z.record(z.string(), z.number()),
})
export type Report = z.infer<typeof Report>
