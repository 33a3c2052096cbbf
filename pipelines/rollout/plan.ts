/**
 * Plan of a rollout: rings in order, how fast a ring is filled, how long it soaks, which gates judge
 * it. Written by people, so every limit has a unit in its name and a default that is safe.
 */
import { z } from 'zod'
import { NodeName, RingName } from '../contract/release.ts'

const Percent = z.number().gt(0).max(100)
const Share = z.number().min(0).max(1)
const Milliseconds = z
  .int()
  .min(0)
  .max(30 * 86_400_000)
/** Nodes of one fleet; the state of a rollout holds a line for each. */
const MAX_NODES = 100_000
const MAX_RINGS = 32
const MAX_CHECKS = 16

/** At most so many nodes; of both given, the smaller counts. */
const Bound = z
  .strictObject({ nodes: z.int().min(1).optional(), percent: Percent.optional() })
  .refine(({ nodes, percent }) => nodes !== undefined || percent !== undefined, 'say nodes, percent or both')
export type Bound = z.infer<typeof Bound>

/** A ring with the nodes that belong to it. */
export const Ring = z.strictObject({
  name: RingName,
  nodes: z.array(NodeName).max(MAX_NODES),
  /** How many nodes may be taking the release at once; all of them when it is not said. */
  atOnce: Bound.optional(),
  /** How long its gates must hold; the plan's when it is not said. */
  soakMs: Milliseconds.optional(),
  /** Percent of its nodes that must enforce the release before it may soak; all when it is not said. */
  minimumHealthy: Percent.optional(),
})
export type Ring = z.infer<typeof Ring>

/** What somebody outside says of a rollout: asked while a ring soaks, needed before it is left. */
export const Check = z.discriminatedUnion('kind', [
  /** POST with the rollout as JSON; any 2xx is yes, all else is no. */
  z.strictObject({ kind: z.literal('webhook'), name: z.string().max(64), url: z.url() }),
  /** An instant query; each of its values must lie within the bounds, and there must be one. */
  z.strictObject({
    kind: z.literal('prometheus'),
    name: z.string().max(64),
    url: z.url(),
    query: z.string().max(4096),
    least: z.number().optional(),
    most: z.number().optional(),
  }),
])
export type Check = z.infer<typeof Check>

/**
 * What a ring is judged by (decisions.md 21). `most` is absolute; the other bound compares with nodes
 * that have not taken the release, where those have enough samples.
 */
export const Gates = z.strictObject({
  /** Requests that the nodes with the release must have judged: without traffic a ring holds. */
  minimumSamples: z.int().min(0).default(0),
  /** Refused requests outside of what the policies declare, as a share of all that were judged. */
  unintended: z.strictObject({ most: Share, more: Share.optional() }).optional(),
  /** Responses 5xx as a share of all; `more`: above the unchanged nodes' share. */
  errors: z.strictObject({ most: Share, more: Share.optional() }).optional(),
  /** 99th percentile; `times` that of the unchanged nodes. */
  p99: z.strictObject({ mostMs: z.number().gt(0).optional(), times: z.number().gt(1).optional() }).optional(),
  /** Endpoints that were taken out of service for their errors. */
  trips: z.strictObject({ most: z.int().min(0) }).optional(),
  /**
   * Before a ring takes a release, its nodes let it judge beside what they run, without effect: what it
   * would have refused, or let in, as shares of what was compared.
   */
  shadow: z
    .strictObject({
      /** Refusals that no policy declares. */
      newDenies: Share.optional(),
      newAllows: Share.optional(),
      minimumSamples: z.int().min(1),
    })
    .optional(),
  /** A node that has been silent for so long has lost its signal. */
  lostMs: Milliseconds.optional(),
  checks: z.array(Check).max(MAX_CHECKS).default([]),
})
export type Gates = z.infer<typeof Gates>

/** No ring takes a release while one lasts; what goes back is never held up. */
export const Freeze = z.strictObject({
  /** When it begins: cron, five fields. */
  cron: z.string().max(256),
  zone: z.string().max(64).default('UTC'),
  minutes: z
    .int()
    .min(1)
    .max(60 * 24 * 31),
  why: z.string().max(256).default(''),
})
export type Freeze = z.infer<typeof Freeze>

export const RolloutPlan = z.strictObject({
  rings: z.array(Ring).min(1).max(MAX_RINGS),
  soakMs: Milliseconds,
  gates: Gates.prefault({}),
  freezes: z.array(Freeze).max(64).default([]),
  /** How many nodes may run what has not soaked on them yet, all rings together. */
  blastRadius: Bound.optional(),
})
export type RolloutPlan = z.infer<typeof RolloutPlan>

export const soakOf = (plan: RolloutPlan, ring: Ring): number => ring.soakMs ?? plan.soakMs

/** Whole nodes of `all`: never none, so that a small ring does not stand still (Flagger #189). */
export function nodesOf(bound: Bound | undefined, all: number): number {
  if (bound === undefined) return all
  const share = bound.percent === undefined ? all : Math.max(1, Math.floor((all * bound.percent) / 100))
  return Math.min(all, share, bound.nodes ?? all)
}

/** How many nodes of the ring must enforce a release: of a ring with nodes, at least one. */
export function healthyOf(ring: Ring, nodes = ring.nodes.length): number {
  return Math.min(nodes, Math.ceil((nodes * (ring.minimumHealthy ?? 100)) / 100))
}

export const fleetSize = ({ rings }: RolloutPlan): number =>
  rings.reduce((sum, { nodes }) => sum + nodes.length, 0)
