/** What a node remembers: one file, replaced atomically at every change. */
import { z } from 'zod'
import { Digest } from '../pipelines/contract/artifact.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import type { Disk } from './disk.ts'

export const STATE_FILE = 'state.json'

/** Where an artifact runs, or is about to run, and for which release. */
export const Placement = z.strictObject({
  number: z.int().min(1),
  artifact: Digest,
  slot: z.int().min(0),
  generation: z.int().min(1),
})
export type Placement = z.infer<typeof Placement>

const IdentityEntry = z.strictObject({
  number: z.int().min(1),
  namespace: z.string(),
  labels: z.record(z.string(), z.string()),
})
export type IdentityEntry = z.infer<typeof IdentityEntry>

/** `service` is serviceKey() of it. */
const ServiceEntry = z.strictObject({ number: z.int().min(1), service: z.string() })
export type ServiceEntry = z.infer<typeof ServiceEntry>

const OfferedDispatcher = z.strictObject({ digest: Digest, number: z.int().min(1) })
export type OfferedDispatcher = z.infer<typeof OfferedDispatcher>

const Tags = z.record(z.string(), z.string())
export type Tags = z.infer<typeof Tags>

/** A dispatcher, the tags the kernel gave it, and the release whose evidence signs it. */
const InstalledDispatcher = z.strictObject({ digest: Digest, number: z.int().min(1), tags: Tags })

/** What a newer agent noted is kept: an older one that takes its place for a while must not lose it. */
export const State = z.looseObject({
  schema: z.literal('heddle.node-state/1'),
  /** Milliseconds since the epoch; no clock is believed below it. */
  clockFloor: z.number().min(0),
  /** No report has a higher sequence yet. */
  sequence: z.int().min(0),
  /** The highest release whose whole chain was verified. */
  accepted: z.strictObject({ number: z.int().min(1), artifact: Digest }).nullable(),
  /** New connections meet this one. */
  dispatcher: InstalledDispatcher.nullable(),
  /** A verified one that is taking its place: written before, so that a death in between is gone on from. */
  offered: OfferedDispatcher.nullable(),
  /** Replaced ones that still have connections; `since` in milliseconds since the epoch. */
  draining: z.array(InstalledDispatcher.extend({ since: z.number().min(0) })).default([]),
  enforced: Placement.nullable(),
  predecessor: Placement.nullable(),
  /** Written before the flip: after a crash the kernel says whether it happened. */
  pending: Placement.nullable(),
  /** Judges beside `enforced`, without effect. Written before it is loaded; never `pending`. */
  shadow: Placement.nullable().default(null),
  /** Slot -> what was loaded there, with the program tags the kernel gave it. */
  slots: z.record(z.string(), z.strictObject({ artifact: Digest, generation: z.int().min(1), tags: Tags })),
  nextGeneration: z.int().min(1),
  identities: z.array(IdentityEntry),
  /** Identity numbers that an address in the kernel may still name. */
  published: z.array(z.int().min(1)),
  /** Numbers of service ports that the kernel, a connection or a generation may still name. */
  services: z.array(ServiceEntry).default([]),
})
export type State = z.infer<typeof State>

const FRESH: State = {
  schema: 'heddle.node-state/1',
  clockFloor: 0,
  sequence: 0,
  accepted: null,
  dispatcher: null,
  offered: null,
  draining: [],
  enforced: null,
  predecessor: null,
  pending: null,
  shadow: null,
  slots: {},
  nextGeneration: 1,
  identities: [],
  published: [],
  services: [],
}

export type StateFile = {
  readonly current: State
  /** Replace the named parts; durable when it returns. */
  update(change: Partial<State>): Promise<void>
}

/**
 * Load, or begin afresh when there is no file. A file that is no state is
 * refused with 'state-corrupt': to begin afresh would forget which releases
 * were already accepted and let an old one be replayed. `instead` takes its
 * place: what is known all the same.
 */
export async function openState(disk: Disk, instead?: Partial<State>): Promise<StateFile> {
  const bytes = instead === undefined ? await disk.read(STATE_FILE) : undefined
  let current = bytes === undefined ? FRESH : parse(bytes)
  const file: StateFile = {
    get current() {
      return current
    },
    async update(change) {
      const next = { ...current, ...change }
      await disk.write(STATE_FILE, `${JSON.stringify(next, null, 2)}\n`)
      current = next
    },
  }
  if (instead !== undefined) await file.update(instead)
  return file
}

function parse(bytes: Uint8Array): State {
  try {
    return State.parse(JSON.parse(new TextDecoder().decode(bytes)))
  } catch (cause) {
    throw new Failure('state-corrupt', `${STATE_FILE} is not a node state`, { cause })
  }
}
