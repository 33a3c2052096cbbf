/** Release: the director's statement that a ring should run an artifact. */
import { z } from 'zod'
import { Digest } from './artifact.ts'

/** `release/denied.json` is taken (object-keys.ts). */
export const RingName = z.string().regex(/^(?!denied$)[a-z0-9-]{1,32}$/)
export const NodeName = z.string().regex(/^[a-z0-9-]{1,63}$/)

/** Everybody's turn. */
export const LAST_TURN = 0xffff_ffff

/** TUF target `release/<ring>.json`. `number` only grows, per fleet. */
export const Release = z.strictObject({
  schema: z.literal('heddle.release/1'),
  ring: RingName,
  number: z.int().min(1),
  artifact: Digest,
  commit: z.string(),
  rollout: z.string(),
  /** Nodes up to this turn take it now (rollout/turns.ts); the others keep what they run. */
  through: z.int().min(0).max(LAST_TURN).default(LAST_TURN),
})
export type Release = z.infer<typeof Release>

/** Signed (DSSE, director) when a ring has soaked; ring n+1 takes the release only with it. */
export const RingSuccess = z.strictObject({
  schema: z.literal('heddle.ring-success/1'),
  ring: RingName,
  number: z.int().min(1),
  artifact: Digest,
  rollout: z.string(),
  /** How many nodes it has. */
  nodes: z.int().min(0),
  /** Where an older artifact is released again: the number under which this ring has soaked with it. */
  basis: z.int().min(1).nullable().default(null),
})
export type RingSuccess = z.infer<typeof RingSuccess>

/**
 * TUF target `release/denied.json`, signed (DSSE, director): artifacts that no release may name any
 * more. A new commit makes a new artifact: what is mended is not denied.
 */
export const Denials = z.strictObject({
  schema: z.literal('heddle.denials/1'),
  denied: z.array(Digest).max(1024),
})
export type Denials = z.infer<typeof Denials>

const Count = z.int().min(0)
/** Octaves of microseconds, four buckets each: 1 us to 16 s. */
export const LATENCY_BUCKETS = 96

/** What a node's kernel has counted under the release that it enforces, between two looks. */
export const Measures = z.strictObject({
  /** Milliseconds since the epoch, by the node's clock. */
  from: z.number().min(0),
  to: z.number().min(0),
  /** Requests that a rule was asked for; those that were refused; those that nobody declared. */
  judged: Count,
  refused: Count,
  unintended: Count,
  responses: Count,
  /** Responses 5xx. */
  errors: Count,
  /** Responses by the time from their request to them; see rollout/latency.ts. Trailing zeroes are left out. */
  latency: z.array(Count).max(LATENCY_BUCKETS),
  /** Endpoints that were taken out of service for their errors. */
  trips: Count,
})
export type Measures = z.infer<typeof Measures>

/**
 * TUF target `release/<ring>.shadow.json`: nodes of the ring let this artifact judge beside the one that they
 * enforce, without effect. Taken away, it ends. A new `number` begins to count anew.
 */
export const Shadow = z.strictObject({
  schema: z.literal('heddle.shadow/1'),
  ring: RingName,
  number: z.int().min(1),
  artifact: Digest,
  commit: z.string(),
  rollout: z.string(),
})
export type Shadow = z.infer<typeof Shadow>

/** Reason as the kernel counts it; status of the reply to a refused client, null = it gets none. */
const ShadowVerdict = z.strictObject({ allowed: z.boolean(), reason: z.string(), status: z.int().nullable() })

/** One message that two artifacts do not agree about. */
export const ShadowSample = z.strictObject({
  kind: z.enum(['new-deny', 'new-allow', 'other']),
  at: z.string(),
  source: z.string(),
  destination: z.string(),
  protocol: z.string(),
  /** Null = a packet, or nobody kept the beginning. Without query; a long path is cut. */
  request: z.strictObject({ method: z.string(), path: z.string() }).nullable(),
  active: ShadowVerdict,
  candidate: ShadowVerdict,
})
export type ShadowSample = z.infer<typeof ShadowSample>

export const MAX_SHADOW_SAMPLES = 10

/** What a candidate found beside the artifact `beside`, since both are what they are. */
export const ShadowReport = z.strictObject({
  number: z.int().min(1),
  artifact: Digest,
  beside: Digest,
  /** Verdicts: on requests, on connections that are refused, on datagrams. */
  agree: Count,
  newDenies: Count,
  /** Of those, what no policy of the candidate declares, by the share of it among what is kept of them. */
  unintended: Count,
  newAllows: Count,
  /** Refused by both, with another status. */
  other: Count,
  /** That the candidate could not judge. */
  unseen: Count,
  /** Newest first, of each kind in turn. */
  samples: z.array(ShadowSample).max(MAX_SHADOW_SAMPLES),
})
export type ShadowReport = z.infer<typeof ShadowReport>

/** What an audit rule saw on this node, since it is known there by its name. */
export const AuditReport = z.strictObject({
  namespace: z.string(),
  policy: z.string(),
  rule: z.string(),
  /** Requests. */
  allowed: Count,
  refused: Count,
  /** Messages that are no HTTP/1, where the rule would have read requests. */
  unread: Count,
})
export type AuditReport = z.infer<typeof AuditReport>

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
  /** Null = nothing has been counted under this release yet. */
  measures: Measures.nullable().default(null),
  /** Null = no candidate judges on this node. */
  shadow: ShadowReport.nullable().default(null),
  /** Absent = no audit rule has seen anything yet, or there is none. */
  audits: z.array(AuditReport).max(32).optional(),
})
export type Report = z.infer<typeof Report>
