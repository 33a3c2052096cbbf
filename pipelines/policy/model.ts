/**
 * The policy model: what one commit says, whatever language it was written in.
 *
 * Front-ends (pipelines/languages) produce it, the reference evaluator and the
 * compiler read it. It is defined once, as zod schemas; types and JSON Schema
 * are taken from them.
 */
import { z } from 'zod'
import { ServiceBreaker } from './breaker.ts'
import { Condition } from './condition.ts'
import { Intents } from './intents.ts'
import { Limit } from './limit.ts'
import { Mirror } from './mirror.ts'
import { Route } from './route.ts'
import { Source } from './source.ts'

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

/** A header that must have this value, all its lines as one list; or, without value, be there at all. */
export const HeaderMatch = z.strictObject({ name: z.string(), value: z.string().optional() })
export type HeaderMatch = z.infer<typeof HeaderMatch>

/** All given parts must hold. method, path, host: RE2, full match, on the raw bytes. */
export const HttpMatch = z.strictObject({
  source: Source,
  method: z.string().optional(),
  path: z.string().optional(),
  host: z.string().optional(),
  headers: z.array(HeaderMatch),
  condition: Condition.optional(),
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
  /** Why it is there: what people are told who meet it. */
  reason: z.string().optional(),
})
export type Rule = z.infer<typeof Rule>

/** Requests that are counted, and refused with 429 where there are too many. `name`: its buckets are known by it. */
export const LimitRule = z.strictObject({
  ...Rule.shape,
  name: z.string(),
  http: z.array(HttpMatch),
  limit: Limit,
})
export type LimitRule = z.infer<typeof LimitRule>

/** Requests that are counted by what became of them. Nothing hangs on it. `name`: its counts are known by it. */
export const AuditRule = z.strictObject({ ...Rule.shape, name: z.string(), http: z.array(HttpMatch) })
export type AuditRule = z.infer<typeof AuditRule>

/** Requests that are copied to another service, where they are let in. */
export const MirrorRule = z.strictObject({
  ...Rule.shape,
  http: z.array(HttpMatch),
  mirror: Mirror,
})
export type MirrorRule = z.infer<typeof MirrorRule>

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
  /** Outweigh what is allowed. With `http` they refuse requests, without it connections. */
  deny: z.array(Rule),
  /** A request takes one from each that speaks of it, or from none. */
  limits: z.array(LimitRule).optional(),
  /** They see requests, allowed or refused, also where no rule judges them. */
  audits: z.array(AuditRule).optional(),
  /** Change nothing of what is let in, or of how it is answered. */
  mirrors: z.array(MirrorRule).optional(),
  /** Refusals that are meant; gates count all others. */
  refuses: Intents.optional(),
})
export type Policy = z.infer<typeof Policy>

/** What one commit says: who may ask whom, where requests go, and how many of them while it goes badly. */
export const PolicySet = z.strictObject({
  policies: z.array(Policy),
  routes: z.array(Route),
  breakers: z.array(ServiceBreaker).optional(),
})
export type PolicySet = z.infer<typeof PolicySet>

export const Zone = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/, 'no name of a zone')

/** Relative, without `.` and `..`: it can't name a cgroup that is not the node's to manage. */
const CgroupPath = z
  .string()
  .max(1024)
  .regex(
    /^(?!\.{1,2}(\/|$))[^/\0]+(\/(?!\.{1,2}(\/|$))[^/\0]+)*$/,
    'no path below the managed cgroup: write it like shop/cart',
  )

/** A managed workload as the workloads port tells it. */
export const Workload = z.strictObject({
  name: z.string().min(1).max(253),
  namespace: z.string().min(1).max(63),
  labels: z.record(z.string(), z.string()),
  addresses: z.array(z.string()).min(1).max(64),
  /** How inbound L7 is enforced; auto = chosen by probe. */
  mode: z.enum(['auto', 'kernel', 'relay', 'refuse']).default('auto'),
  /** The node that it runs on, where one list is for several; without it: the node that reads the list. */
  node: z
    .string()
    .regex(/^[a-z0-9-]{1,63}$/)
    .optional(),
  /** Of a workload of another node: what fails together with it. This node's own zone is configured. */
  zone: Zone.optional(),
  /** Directory of its processes below the managed cgroup: how its calls to services are known as its own. */
  cgroup: CgroupPath.optional(),
})
export type Workload = z.infer<typeof Workload>
