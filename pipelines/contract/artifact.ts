/**
 * Artifact: an ELF (program text + tables) and the manifest that names it.
 * The artifact digest is the SHA-256 of the manifest's canonical JSON bytes.
 */
import { z } from 'zod'
import { Intents } from '../policy/intents.ts'
import { Selector } from '../policy/model.ts'
import { ServicePort } from '../policy/route.ts'

export const Digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
export type Digest = z.infer<typeof Digest>

/** Hooks that a generation may have a program for; the dispatcher of this ABI calls no other. */
export const GENERATION_HOOKS = ['sk_skb/stream_verdict', 'sk_msg', 'cgroup_skb/ingress'] as const

/**
 * One block: subject x peers x ports with one kind. Bit `index` of every row.
 * The agent turns subject and peers into rows for the identities that it knows;
 * ports, CIDRs and HTTP live in the tables.
 */
export const Block = z.strictObject({
  kind: z.enum(['select', 'deny', 'allow', 'judge']),
  subject: Selector,
  /** null = everyone, workloads and world; otherwise workloads that any selector matches. */
  peers: z.array(Selector).nullable(),
})
export type Block = z.infer<typeof Block>

/**
 * For whom a set of routes in the tables is: a service's port, `null` = all that no other entry of
 * the service names, and the clients of a namespace, `null` = those without an entry of their own.
 */
export const RouteEntry = z.strictObject({
  service: z.strictObject({ namespace: z.string(), name: z.string(), port: z.int().nullable() }),
  clients: z.string().nullable(),
  set: z.int().min(0),
})
export type RouteEntry = z.infer<typeof RouteEntry>

/** `id`: as the kernel has it, in decimal: JSON has no integers of 64 bits. */
export const AuditEntry = z.strictObject({
  id: z.string().regex(/^[0-9]{1,20}$/),
  namespace: z.string(),
  policy: z.string(),
  rule: z.string(),
  reason: z.string().optional(),
})
export type AuditEntry = z.infer<typeof AuditEntry>

/** Whose breaker a rule of the tables is: a service's port, `null` = all that no other entry of the service names. */
export const BreakerEntry = z.strictObject({
  service: z.strictObject({ namespace: z.string(), name: z.string(), port: z.int().nullable() }),
  rule: z.int().min(0),
})
export type BreakerEntry = z.infer<typeof BreakerEntry>

export const Manifest = z.strictObject({
  schema: z.literal('heddle.artifact/1'),
  abi: z.int(),
  kernel: z.strictObject({ minimum: z.string(), arch: z.enum(['bpfel']), hooks: z.array(z.string()) }),
  /** Digest of the ELF without the tables: what the code key signs. */
  code: z.strictObject({ variant: z.string(), digest: Digest }),
  tables: z.strictObject({ digest: Digest, words: z.int() }),
  elf: z.strictObject({ digest: Digest, bytes: z.int() }),
  blocks: z.array(Block).max(1024),
  /** What the routes' backends name by number. */
  services: z.array(ServicePort).default([]),
  routes: z.array(RouteEntry).default([]),
  /** Not there = no service has one, as a reader that knows none expects. */
  breakers: z.array(BreakerEntry).optional(),
  /** Refusals that the policies declare: what a rollout's gates do not count. */
  intents: Intents.default([]),
  /** What the counts of audit rules are known by; absent = the policies have none. */
  audits: z.array(AuditEntry).optional(),
  policies: z.array(z.strictObject({ namespace: z.string(), name: z.string(), file: z.string() })),
  source: z.strictObject({
    repository: z.string(),
    commit: z.string(),
    author: z.string(),
    committed: z.string(),
  }),
})
export type Manifest = z.infer<typeof Manifest>
