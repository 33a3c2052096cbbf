/**
 * State of the rollouts of a fleet: all that is remembered. What the store and the nodes are told
 * follows from it, so that whoever crashed in between only has to be asked again.
 */
import { z } from 'zod'
import { Digest } from '../contract/artifact.ts'
import { LAST_TURN, Measures, Report, RingName, ShadowReport } from '../contract/release.ts'

export const Named = z.strictObject({ id: z.string(), number: z.int(), commit: z.string(), artifact: Digest })
export type Named = z.infer<typeof Named>

/** What a ring is told to run, and how many of its nodes: `through` their last turn (turns.ts). */
const Released = Named.extend({ nodes: z.int(), through: z.int().max(LAST_TURN) })
/** What a ring has soaked with; `basis` as in RingSuccess. */
const Succeeded = Named.extend({ basis: z.int().nullable() })

const Time = z.number()
const By = z.strictObject({ by: z.string().max(256), at: Time, why: z.string().max(1024) })
/** Who stopped something, when (ms since the epoch) and why. */
export type By = z.infer<typeof By>

const ROLLOUT_STATES = ['releasing', 'soaking', 'paused', 'done'] as const

const Current = Named.extend({
  /** A rollback names an older artifact again, in every ring up to `at` at once. */
  kind: z.enum(['release', 'rollback']),
  /** Of a rollback: the number under which its artifact was soaked with. */
  basis: z.int().nullable(),
  /** Index of the ring that is taking the release; all rings before it have soaked. */
  at: z.int(),
  /** Nodes of that ring that have the release and have soaked with it. */
  soaked: z.int(),
  /** Since when the gates hold without a break. */
  holdsSince: Time.nullable(),
  begunAt: Time,
  state: z.enum(ROLLOUT_STATES),
  /** Why it waits or stands still. */
  why: z.string().max(1024),
  /** An operator's pause. */
  held: By.nullable(),
  /** An operator lets this ring go without the rest of its soak. */
  promoted: By.nullable(),
  /** An operator lets the ring that is next judge beside what it runs, without effect. */
  shadowed: By.nullable(),
})
export type Current = z.infer<typeof Current>

export const OUTCOMES = ['done', 'rolled-back', 'aborted', 'superseded'] as const
/** How a rollout ended. */
export const Ended = Named.extend({
  kind: z.enum(['release', 'rollback']),
  outcome: z.enum(OUTCOMES),
  ring: RingName,
  why: z.string().max(1024),
  begunAt: Time,
  endedAt: Time,
})
export type Ended = z.infer<typeof Ended>
/** The same, as the store keeps it for ever and the bus tells it. */
export const RolloutEnd = Ended.extend({ schema: z.literal('heddle.rollout-end/1') })
export type RolloutEnd = z.infer<typeof RolloutEnd>

/** What is kept of a node's latest report. */
export const NodeFact = Report.pick({
  ring: true,
  at: true,
  sequence: true,
  outcome: true,
  number: true,
}).extend({
  artifact: Digest.nullable(),
  code: z.string().nullable(),
  /** When this director heard it, by its own clock. */
  heard: Time,
  /** Milliseconds, as in Report. */
  flip: z.number().nullable(),
  measures: Measures.nullable(),
  shadow: ShadowReport.nullable(),
})
export type NodeFact = z.infer<typeof NodeFact>

/** What an external check said last. */
const Answer = z.strictObject({ ok: z.boolean(), why: z.string().max(1024), at: Time, rollout: z.string() })
export type Answer = z.infer<typeof Answer>

const Denied = Named.extend({ why: z.string().max(1024), at: Time })

/** A command of an operator and what became of it. */
const Commanded = z.strictObject({
  id: z.string(),
  verb: z.string(),
  by: z.string(),
  at: Time,
  rollout: z.string().nullable(),
  refused: z.string().nullable(),
})

export const RolloutState = z.strictObject({
  schema: z.literal('heddle.rollout/2'),
  /** Grows with every change. */
  revision: z.int(),
  /** The highest number that any release has had. */
  number: z.int(),
  current: Current.nullable(),
  /** Ring → its release, and the last release that it soaked with. */
  released: z.record(z.string(), Released),
  succeeded: z.record(z.string(), Succeeded),
  /** Releases that every ring has soaked with, newest last. */
  completed: z.array(Named),
  denied: z.array(Denied),
  /** Newest last. */
  ended: z.array(Ended),
  commanded: z.array(Commanded),
  /** The global stop switch. */
  stopped: By.nullable(),
  /** Check → its latest answer. */
  answers: z.record(z.string(), Answer),
  /** Node → what it said last. */
  nodes: z.record(z.string(), NodeFact),
})
export type RolloutState = z.infer<typeof RolloutState>

/** How much is remembered of what is over; the whole history lies in the store. */
export const KEPT = { completed: 16, ended: 64, commanded: 64, denied: 1024 } as const

export const NO_ROLLOUT: RolloutState = {
  schema: 'heddle.rollout/2',
  revision: 0,
  number: 0,
  current: null,
  released: {},
  succeeded: {},
  completed: [],
  denied: [],
  ended: [],
  commanded: [],
  stopped: null,
  answers: {},
  nodes: {},
}

export function nameOf({ id, number, commit, artifact }: Named): Named {
  return { id, number, commit, artifact }
}

/** Does the node say that it enforces this very release? */
export function enforces(fact: NodeFact | undefined, number: number): boolean {
  if (fact === undefined) return false
  return (fact.outcome === 'enforced' || fact.outcome === 'unchanged') && fact.number === number
}

/** A failure over an older release says nothing against this one: it only keeps the gate shut. */
export function hasFailed(fact: NodeFact, number: number): boolean {
  const failed = fact.outcome === 'refused' || fact.outcome === 'failed'
  return failed && (fact.number === null || fact.number >= number)
}

export const isDenied = (state: RolloutState, artifact: Digest): boolean =>
  state.denied.some((denied) => denied.artifact === artifact)

/** Adds at the end, forgets at the beginning. */
export const append = <T>(list: readonly T[], item: T, kept: number): T[] => [...list, item].slice(-kept)
