/** What the agent needs from the world: roles of a few methods each. */
import type { Digest } from '../pipelines/contract/artifact.ts'
import type { Workload } from '../pipelines/policy/model.ts'
import type { Report } from '../pipelines/contract/release.ts'
import type { AnnouncedWorkload } from '../pipelines/services/announcement.ts'
import type { HashOf, Policy, Service, Spread } from '../pipelines/services/model.ts'
import type { PlacedWorkload } from '../pipelines/services/resolve.ts'

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

/** Where a service's requests can go, as the kernel has it. */
export type EndpointEntry = { address: string; port: number; local: boolean; weight: number }
/** A run of `members`: the first `local` of them are on this node, the first `zone` in its zone. */
export type ServiceState = { first: number; count: number; local: number; zone: number }
/** One service port as the kernel should have it; the nearest endpoints first. */
export type ServiceWish = {
  number: number
  addresses: { address: string; port: number }[]
  endpoints: EndpointEntry[]
  local: number
  zone: number
  spread?: Spread
}
/** How a service's requests are spread (struct heddle_balance); `table` is a run of `spots`. */
export type BalanceEntry = {
  policy: Policy
  hash: HashOf
  consecutive5xx: number
  consecutiveResets: number
  baseMs: number
  maxPercent: number
  slowStartMs: number
  table: { first: number; count: number }
}
export type CgroupIdentity = { id: bigint; identity: number }

/** What the maps of the client side hold of what the agent writes. What is all zeroes is left out. */
export type OutboundContent = {
  /** New connections meet a dispatcher that reads these maps; older ones may, when it does not. */
  served: boolean
  addresses: { address: string; port: number; service: number }[]
  services: Map<number, ServiceState>
  /** All places of the map, one behind the other. */
  members: ArrayLike<number>
  /** Of each place: the weights of its run up to there, without their common divisor. */
  shares: ArrayLike<number>
  balances: Map<number, BalanceEntry>
  /** Maglev tables of services. */
  spots: ArrayLike<number>
  endpoints: Map<number, EndpointEntry>
}

/** One store into one map; null = as if it had never been there. */
export type OutboundStore =
  | { map: 'endpoints'; number: number; endpoint: EndpointEntry | null }
  | { map: 'members'; first: number; endpoints: number[] }
  | { map: 'shares'; first: number; shares: number[] }
  | { map: 'balances'; number: number; balance: BalanceEntry | null }
  | { map: 'spots'; first: number; endpoints: number[] }
  /** It begins to take requests now; null = it never did, and nothing is known of its health. */
  | { map: 'births'; number: number; at: 'now' | null }
  | { map: 'services'; number: number; state: ServiceState }
  /** As if no request had ever gone there. */
  | { map: 'breakers'; number: number }
  | { map: 'service_addresses'; address: string; port: number; service: number | null }

/** Numbers that connections, pools and the routes of loaded generations still name. */
export type OutboundReferences = { services: Set<number>; endpoints: Set<number> }

/**
 * Which routes the clients of a service meet, in one generation: `set` is the number of a set in its tables,
 * null = none. `identity` 0 = every client without an entry of its own; `own`, there alone: some have one.
 */
export type RouteChoice = { service: number; identity: number; set: number | null; own: boolean }

/**
 * No choice = no routes. `backends`: by number in the tables, null = a service that this node does not know.
 * `breakers`: `rule` is the number of one in the tables; not there = none.
 */
export type RouteContent = {
  choices: RouteChoice[]
  backends: (number | null)[]
  breakers?: BreakerChoice[]
}
export type BreakerChoice = { service: number; rule: number }

/** The maps of the client side: services, their endpoints, and whose processes are whose. */
export interface OutboundMaps {
  /** Null = what is attached has no such maps: it is older than services. */
  read(): Promise<OutboundContent | null>
  write(store: OutboundStore): Promise<void>
  references(): Promise<OutboundReferences>
  /** Ids of the directories below the managed cgroup; those that are not there (yet) are left out. */
  cgroupIds(paths: readonly string[]): Promise<Map<string, bigint>>
  /** All of them; does nothing where there is no such map. */
  setCgroups(cgroups: readonly CgroupIdentity[]): Promise<void>
}

/** A request that was refused, as far as the kernel keeps it. */
export type Refusal = { method: string; path: string }

/** What the programs of a slot have counted since they were loaded; only grows. */
export type Counts = {
  /** Requests by what a rule said of them. */
  allowed: number
  refused: number
  responses: number
  /** Responses 5xx. */
  errors: number
  /** Responses by their time: pipelines/rollout/latency.ts. */
  latency: number[]
  /** Endpoints that were taken out of service for their errors, and breakers that opened. */
  trips: number
}

/** Where a loaded artifact is, and the generation that its programs take themselves for. */
export type Candidate = { slot: number; generation: number }

/** One verdict as the kernel has it: reason by name, status of the local reply (0 = none). */
export type KernelVerdict = { allowed: boolean; reason: string; status: number }

/** One message that the active generation and its candidate do not agree about. */
export type ShadowSample = {
  kind: 'new-deny' | 'new-allow' | 'other'
  /** Milliseconds since it was judged. */
  agoMs: number
  /** `identity`: of a client of this node, known by its cgroup; then the address says nothing. */
  source: { address: string; port: number; identity: number | null }
  destination: { address: string; port: number }
  protocol: number
  /** Null = a packet, or nobody kept it. Of a longer path its beginning; never its query, nor a header. */
  request: { method: string; path: string } | null
  active: KernelVerdict
  candidate: KernelVerdict
}

export type ShadowCounts = {
  agree: number
  newDenies: number
  newAllows: number
  other: number
  /** Judged by the active generation alone. */
  unseen: number
}

/** Who asks whom, and what was found since begin(). */
export type ShadowFacts = {
  active: number
  candidate: number
  counts: ShadowCounts
  samples: ShadowSample[]
}

/** Requests that an audit rule saw; `unread`: messages of its connections that are no HTTP/1. Only grows. */
export type AuditCounts = { allowed: number; refused: number; unread: number }

/** One request that an audit rule saw. */
export type AuditSample = Omit<ShadowSample, 'kind' | 'protocol' | 'active' | 'candidate'> & {
  verdict: KernelVerdict
}

/** What audit rules saw under whichever generation, by their ids in decimal. */
export interface AuditMaps {
  /** Of all rules that have seen anything. Empty where the dispatcher is older than audits. */
  counts(): Promise<Map<string, AuditCounts>>
  /** Newest first. */
  samples(): Promise<Map<string, AuditSample[]>>
  /** Counts of other rules make room: there is some for 256. */
  keep(ids: ReadonlySet<string>): Promise<void>
}

/** A staged generation that judges beside the active one, without effect. */
export interface ShadowMaps {
  /**
   * The generation in slot `active` asks this one from now on; counts begin at zero. Does nothing where it does so
   * already. Throws Failure('shadow-unsupported') where one of the two, or the dispatcher, is older than shadows.
   */
  begin(active: number, candidate: Candidate): Promise<void>
  /** Nobody asks anybody. What was counted stays to be read until the next begin(). */
  end(): Promise<void>
  /** Null = nobody asks anybody. */
  read(): Promise<ShadowFacts | null>
}

/** The kernel of this node. Every method is idempotent. */
export interface Kernel {
  readonly outbound: OutboundMaps
  readonly shadow: ShadowMaps
  readonly audits: AuditMaps
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
  /** Does nothing where there are no such maps: an empty slot, an artifact that is older than routes. */
  setRoutes(slot: number, content: RouteContent): Promise<void>
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
  /** What the programs of a slot have counted; null = it is empty, or they count nothing of the kind. */
  counts(slot: number): Promise<Counts | null>
  /** The newest requests that they refused, numbered above `after`, and the number of the last. */
  refusals(slot: number, after: number): Promise<{ last: number; refusals: Refusal[] }>
  /** Explicit end of enforcement: detach, unpin. */
  detach(): Promise<void>
}

/** Labels -> addresses of workloads; changing it needs no release. */
export interface Workloads {
  list(): Promise<Workload[]>
  watch(changed: () => void): () => void
}

/** Services and their endpoints; changing them needs no release. */
export interface Services {
  list(): Promise<Service[]>
  watch(changed: () => void): () => void
}

/** Where nodes tell each other of their workloads; correctness never depends on it. */
export interface Registry {
  /** From now on this is what the others hear, again and again. Never fails: nobody may be there to hear it. */
  announce(workloads: AnnouncedWorkload[]): void
  /** Workloads of other nodes, as far as those may speak for them. Who can't be heard is as he was. */
  list(): Promise<PlacedWorkload[]>
  /** How many others are as they were because nobody has been heard for longer than a silence may last. */
  stale(): number
  watch(changed: () => void): () => void
  close(): Promise<void>
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
