/** What the agent needs from the world: roles of a few methods each. */
import type { Digest } from '../pipelines/contract/artifact.ts'
import type { Workload } from '../pipelines/policy/model.ts'
import type { Report } from '../pipelines/contract/release.ts'

/** One identity's rows in a generation: bit i = block i of the manifest. */
export type IdentityRows = { identity: number; subject: bigint[]; peer: bigint[] }
export type AddressIdentity = { address: string; identity: number }

/** What one slot of the kernel holds, as the kernel itself tells it. */
export type SlotFacts = {
  slot: number
  /** program name -> kernel id and tag of what the PROG_ARRAY points at. */
  programs: Record<string, { id: number; tag: string }>
  /** SHA-256 of the frozen tables that the slot's program reads. */
  tablesDigest: string
}

/** hook -> dispatcher program that the kernel says is attached there. */
export type HookFacts = Record<string, { id: number; tag: string }>

export type AttachedFacts = {
  /** Digest of the file whose programs enrol new connections; null = none of ours does. */
  dispatcher: Digest | null
  /** ABI of the live maps, as that dispatcher says; null = it does not. */
  abi: number | null
  /** What new connections meet. */
  hooks: HookFacts
  /** Other dispatchers that are pinned, and how many sockets each still reads. */
  draining: { digest: Digest; hooks: HookFacts; sockets: number }[]
  active: { slot: number; generation: number } | null
  slots: SlotFacts[]
}

/** The kernel of this node. Every method is idempotent. */
export interface Kernel {
  /** Kernel release and the features that Heddle asks for which are missing. */
  probe(): Promise<{ release: string; missing: string[] }>
  /**
   * Load, pin and attach the dispatcher: from here on unjudged traffic of managed workloads is closed.
   * It takes the place of another one hook by hook, on the same live maps; the connections that are
   * there stay with the other one. Throws Failure('verifier-rejected') with nothing changed.
   */
  install(dispatcherElf: string): Promise<void>
  /** Unpin a dispatcher that enrols no more. */
  retire(digest: Digest): Promise<void>
  /** Load an artifact's ELF into a slot and fill its rows. Throws Failure('verifier-rejected'). */
  stage(slot: number, elf: string, rows: IdentityRows[]): Promise<void>
  setRows(slot: number, rows: IdentityRows[]): Promise<void>
  setAddresses(addresses: AddressIdentity[]): Promise<void>
  /** The one store that makes a slot active. Returns microseconds that it took. */
  flip(slot: number, generation: number): Promise<number>
  /** No generation is active: managed workloads are closed until the next flip. */
  close(): Promise<void>
  /** Tags that this kernel gives a dispatcher's programs, by hook: loaded, asked and let go; nothing is attached. */
  tags(dispatcherElf: string): Promise<Record<string, string>>
  /** Ask the kernel, not the pins. Null = nothing installed. */
  inspect(): Promise<AttachedFacts | null>
  /** Slots that a connection in mid-message still needs. */
  busySlots(): Promise<Set<number>>
  unstage(slot: number): Promise<void>
  /** Explicit end of enforcement: detach, unpin. */
  detach(): Promise<void>
}

/** Labels -> addresses of workloads; changing it needs no release. */
export interface Workloads {
  list(): Promise<Workload[]>
  watch(changed: () => void): () => void
}

/** Hints in, reports out; correctness never depends on it. */
export interface Bus {
  onHint(handle: () => void): Promise<void>
  report(report: Report): Promise<void>
  close(): Promise<void>
}

/** Read side of the object store. */
export interface Store {
  /** Undefined = no such object. Throws Failure('store-too-large') above maxBytes. */
  get(key: string, maxBytes: number): Promise<Uint8Array | undefined>
}
