/** One node as its steps see it, and one attempt at bringing it up to date. */
import type { Digest, Manifest } from '../pipelines/contract/artifact.ts'
import type { Failure } from '../pipelines/contract/failures.ts'
import type { Release } from '../pipelines/contract/release.ts'
import type { Disk } from './disk.ts'
import type { Bus, Kernel, Registry, Services, Store, Workloads } from './ports.ts'
import type { Metered } from './metered.ts'
import type { Resting } from './service-runs.ts'
import type { StateFile } from './state.ts'
import type { TrustedMetadata } from './trust/metadata.ts'

export type Clock = {
  /** Milliseconds since the epoch, as the machine believes. */
  now(): number
  /** Milliseconds that only grow. */
  elapsed(): number
}

export type Node = {
  name: string
  ring: string
  /** The ring that must have succeeded before; null for the first ring. */
  previousRing: string | null
  /** root.json as pinned at enrolment. */
  pinnedRoot: string
  /** What fails together with this node; null = nobody said. */
  zone: string | null
  store: Store
  kernel: Kernel
  workloads: Workloads
  services: Services
  registry: Registry
  bus: Bus
  disk: Disk
  state: StateFile
  /** Why this process began without its memory; null = it did not. */
  lost: Failure | null
  clock: Clock
  /** What this process last published to the kernel; null = publish again. */
  published: string | null
  /** The same of routes. */
  routed: string | null
  /** Numbers and places of services that lost their meaning a moment ago. */
  resting: Resting
  /** What came of the last look; null = there was none. */
  attempt: Attempt | null
  /** What was counted under the release that runs; null = nothing yet. */
  metered: Metered | null
  /** Sequence of this process's last report. */
  reported: number | null
  /** What the journal was told last: a node in trouble says it once, not at every look. */
  said: string | null
  /** One line for the journal. */
  log(line: string): void
}

/** A release whose whole chain this node has verified and cached: it may be loaded. */
export type Verified = { release: Release; manifest: Manifest; dispatcher: Digest }

/** What the steps of one reconcile hand to each other. */
export type Attempt = {
  metadata?: TrustedMetadata
  /** The first look under another pinned root: what runs must be provable under this one too. */
  repinned?: boolean
  /** The release that the metadata names, as soon as it is read. */
  release?: Release
  /** Set when there is something new to take. */
  verified?: Verified
  swapped: boolean
  /** In the order in which they happened. */
  failures: { step: string; failure: Failure }[]
  /** Milliseconds by step name. */
  timings: Record<string, number>
}

export type Step = (node: Node, attempt: Attempt) => Promise<void>
