/** What the functions need from the world: roles of a few methods each. */
import type { Manifest } from '../pipelines/contract/artifact.ts'
import type { BusMember } from '../pipelines/contract/bus-members.ts'
import type { CommitStatus, Finding } from '../pipelines/contract/commit-status.ts'
import type { DeliveryEvent } from '../pipelines/contract/events.ts'
import type { Review } from '../pipelines/contract/provenance.ts'
import type { Report } from '../pipelines/contract/release.ts'
import type { RolloutEnd } from '../pipelines/rollout/state.ts'
import type { Judged } from '../pipelines/languages/judged.ts'
import type { PolicySet } from '../pipelines/policy/model.ts'
import type { Tables } from '../pipelines/tables/build-tables.ts'

/** An object and an opaque name of this very content, for compare-and-swap (S3: the ETag). */
export type StoredObject = { bytes: Uint8Array; version: string }

/** Objects by key. Every write is durable when its promise resolves, and whole or not there at all. */
export interface ObjectStore {
  /** Undefined = no such object. Throws Failure('store-too-large') above maxBytes. */
  get(key: string, maxBytes: number): Promise<StoredObject | undefined>
  /** Create only: an object that is there stays as it is. Tells which of the two happened. */
  create(key: string, bytes: Uint8Array): Promise<'created' | 'exists'>
  /**
   * Compare-and-swap. `ifVersion` undefined = only if there is none. Returns the new version.
   * Throws Failure('store-conflict') when somebody else was faster.
   */
  replace(key: string, bytes: Uint8Array, ifVersion: string | undefined): Promise<string>
}

/** One Ed25519 key that never leaves its keeper: a file in development, a KMS elsewhere. */
export interface Signer {
  /** The 32 bytes of RFC 8032. */
  readonly publicKey: Uint8Array
  sign(bytes: Uint8Array): Promise<Uint8Array>
}

/** The transparency log, where everyone sees what is published. */
export interface EntryLog {
  /** Logs the entry once; the tlog-proof that it is there. Throws Failure('log-damaged' | 'metadata-untrusted' | 'store-conflict'). */
  append(entry: Uint8Array): Promise<string>
}

export interface Clock {
  now(): Date
}

/** A file of a commit, already within its limits. */
export type RepositoryFile = { path: string; bytes: Uint8Array }
/** `committed` is ISO 8601 in UTC: the manifest has it, and is the same from whichever forge it was read. */
export type CommitFacts = { commit: string; author: string; committed: string; files: RepositoryFile[] }

/** The repository of policies: what it says is asked, never taken from a webhook. */
export interface Forge {
  /** Undefined = no such branch. Throws Failure('forge-unavailable'). */
  head(branch: string): Promise<string | undefined>
  /** Policy files and facts. Throws Failure('limit-exceeded' | 'forge-unavailable'). */
  read(commit: string): Promise<CommitFacts>
  /** True when `ancestor` is `commit` or lies in its history. */
  contains(commit: string, ancestor: string): Promise<boolean>
}

/** Who sent a webhook. */
export interface WebhookSignatures {
  /** The body as text when an active secret has signed these very bytes; else undefined. */
  opened(body: Uint8Array, signature: string | undefined): Promise<string | undefined>
}

/** A pull request of now. `commit` is its head, `branch` what it wants to be merged into. */
export type Pull = { number: number; commit: string; branch: string; open: boolean; merged: boolean }

/** Pull requests of the policy repository; a forge without them knows none. */
export interface Pulls {
  /** Undefined = no such pull request. Throws Failure('forge-unavailable'), as all of these. */
  pull(number: number): Promise<Pull | undefined>
  /** Those that wait to be merged into the branch, the latest changed first, at most 100. */
  open(branch: string): Promise<Pull[]>
  /** The last commit that both have in their history. */
  base(one: string, other: string): Promise<string | undefined>
}

/** Who let a commit onto the branch. */
export interface Reviews {
  /** Undefined = this forge knows no reviews. Throws Failure('forge-unavailable'). */
  review(commit: string, branch: string): Promise<Review | undefined>
}

/** A check of a commit. `key` names what it is about and what it says: an equal one is not posted again. */
export type Check = {
  name: string
  commit: string
  key: string
  conclusion: 'success' | 'failure' | 'neutral'
  title: string
  summary: string
  findings: readonly Finding[]
}

/** What the forge shows to people. Nobody waits for it; each may be posted again. Throws Failure('forge-unavailable'). */
export interface Posts {
  status(commit: string, status: Pick<CommitStatus, 'state' | 'description'>): Promise<void>
  check(check: Check): Promise<void>
  /** Our one comment on the pull request becomes this text. */
  comment(pull: number, text: string): Promise<void>
}

/** Where the people who pushed look for the answer. */
export interface Statuses {
  /** Keeps what is there when that is further on (see commit-status.ts): posts may come late and twice. */
  post(commit: string, status: CommitStatus): Promise<void>
  get(commit: string): Promise<CommitStatus | undefined>
}

/** At-least-once, in any order. */
export interface Queue {
  send(event: DeliveryEvent, delayMs?: number): Promise<void>
}

/** Hints out, reports in; correctness never depends on it. */
export interface Bus {
  /** Tells a ring to look now. Resolves, at once and without effect, when the bus is down. */
  hint(ring: string): Promise<void>
  /** A rollout has ended. Resolves, at once and without effect, when the bus is down. */
  tellEnd(ended: RolloutEnd): Promise<void>
  onReport(handle: (report: Report) => void): void
  close(): Promise<void>
}

/** Makes what a node shows to the bus: an attested name and ring, of use only with the node's own key. */
export interface BusIssuer {
  /** Throws Failure('metadata-untrusted') unless who enrols has signed the list. */
  members(list: Uint8Array): BusMember[]
  issue(member: BusMember, endsAt: Date): Promise<Uint8Array>
  /** When it ends, in milliseconds since the epoch; undefined = not this member's, or not this issuer's. */
  endOf(issued: Uint8Array, member: BusMember): number | undefined
}

/** What a compiler makes of a policy set: an ELF and the parts of its manifest. */
export type Compiled = Pick<
  Manifest,
  'abi' | 'kernel' | 'code' | 'tables' | 'blocks' | 'services' | 'routes' | 'breakers'
> & { elf: Uint8Array }

/** A commit's policy files, read and judged by its cases; thousands of rules take seconds, and nobody waits for them. */
export interface PolicyReader {
  /** Never throws for what a file says. Throws Failure('limit-exceeded' | 'compiler-failed' | 'work-interrupted'). */
  read(files: readonly { path: string; text: string }[]): Promise<Judged>
}

/** Tables take seconds for thousands of rules, and are made where nobody waits for that. */
export interface TableBuilder {
  /** Throws Failure('limit-exceeded' | 'expression-invalid' | 'compiler-failed' | 'work-interrupted'). */
  build(set: PolicySet): Promise<Tables>
}

/** Throws Failure('limit-exceeded' | 'expression-invalid' | 'compiler-failed' | 'work-interrupted'). */
export interface Compiler {
  compile(set: PolicySet): Promise<Compiled>
}
