/**
 * The policy model: what one commit says, whatever language it was written in.
 *
 * Front-ends (pipelines/languages) produce it, the reference evaluator and the
 * compiler read it. It is defined once, as zod schemas; types and JSON Schema
 * are taken from them.
 */
import { z } from 'zod'

/** Where a statement stands in a source file; lines and columns count from 1. */
export const Source = z.strictObject({
  file: z.string(),
  line: z.int().min(1),
  column: z.int().min(1),
})
export type Source = z.infer<typeof Source>

/** Label requirement with the operators of Kubernetes label selectors. */
export const Requirement = z.strictObject({
  key: z.string(),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
  values: z.array(z.string()),
})
export type Requirement = z.infer<typeof Requirement>

/**
 * A set of workloads. `namespaces: null` = any namespace. `matchLabels` is
 * already folded into `requirements` (In with one value), so that equal
 * selectors have equal models.
 */
export const Selector = z.strictObject({
  namespaces: z.array(z.string()).nullable(),
  requirements: z.array(Requirement),
})
export type Selector = z.infer<typeof Selector>

/** Who is asking. CIDRs speak only of addresses that are no workload (world). */
export const Peer = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('endpoints'), selector: Selector }),
  z.strictObject({ kind: z.literal('cidr'), cidr: z.string(), except: z.array(z.string()) }),
])
export type Peer = z.infer<typeof Peer>

export const Protocol = z.enum(['TCP', 'UDP', 'SCTP', 'ANY'])
export type Protocol = z.infer<typeof Protocol>

/** An inclusive range of destination ports. */
export const Ports = z.strictObject({
  protocol: Protocol,
  first: z.int().min(1).max(65535),
  last: z.int().min(1).max(65535),
})
export type Ports = z.infer<typeof Ports>

/** A header that must be there exactly once with this value; or, without value, at all. */
export const HeaderMatch = z.strictObject({ name: z.string(), value: z.string().optional() })
export type HeaderMatch = z.infer<typeof HeaderMatch>

/** All given parts must hold. method, path, host: RE2, full match, on the raw bytes. */
export const HttpMatch = z.strictObject({
  source: Source,
  method: z.string().optional(),
  path: z.string().optional(),
  host: z.string().optional(),
  headers: z.array(HeaderMatch),
})
export type HttpMatch = z.infer<typeof HttpMatch>

/**
 * Peers x ports, and what they may ask. `peers: null` = everyone, `[]` = no one;
 * `ports: null` = every port and protocol; `http: null` = L3/L4 only.
 */
export const Rule = z.strictObject({
  source: Source,
  peers: z.array(Peer).nullable(),
  ports: z.array(Ports).nullable(),
  http: z.array(HttpMatch).nullable(),
})
export type Rule = z.infer<typeof Rule>

/** One policy object: a subject that becomes default-deny for ingress. */
export const Policy = z.strictObject({
  name: z.string(),
  namespace: z.string(),
  source: Source,
  subject: Selector,
  /** What an L7 port does with TLS, HTTP/2 and anything else that is not HTTP/1. */
  unparsed: z.enum(['refuse', 'pass']),
  /** False when the policy's rules apply but nothing becomes default-deny by it. */
  selects: z.boolean(),
  allow: z.array(Rule),
  deny: z.array(Rule),
})
export type Policy = z.infer<typeof Policy>

export const PolicySet = z.strictObject({ policies: z.array(Policy) })
export type PolicySet = z.infer<typeof PolicySet>

/** A managed workload as the workloads port tells it. */
export const Workload = z.strictObject({
  name: z.string().min(1).max(253),
  namespace: z.string().min(1).max(63),
  labels: z.record(z.string(), z.string()),
  addresses: z.array(z.string()).min(1).max(64),
  /** How inbound L7 is enforced; auto = chosen by probe. */
  mode: z.enum(['auto', 'kernel', 'relay', 'refuse']).default('auto'),
})
export type Workload = z.infer<typeof Workload>
