/**
 * What the suite `datapath` asks of Heddle: stand between a client and servers
 * that are there already, and say who served the requests.
 */
import type { PolicySet } from '../../pipelines/policy/model.ts'
import type { ServicePort } from '../../pipelines/policy/route.ts'
import type { Share } from './statistics.ts'
import type { Node } from './sites.ts'

/** Where a service is served: one endpoint each, so that no balancing is measured. */
export type BenchService = { service: ServicePort; endpoint: { address: string; port: number } }

export type Place = {
  /**
   * The client is in a cgroup below `near.managed`, the servers are in `far.managed`; the same node when they are on
   * one. Agents, relays and what else a mesh starts go to `between` (in the same cgroup, so that their CPU
   * counts) and write to `dir`.
   */
  near: Node
  far: Node
  /** CPU list for taskset: for every process that the mesh starts. */
  cpus: string
  /** Mounts a BPF file system that goes when the suite ends; the result is its mount point. */
  mountBpffs(name: string): string
  /** The client asks for the first. */
  services: readonly BenchService[]
  /** Policies select the workloads of the namespace `bench`: `app: client`, `app: server`. */
  says: PolicySet
}

export type Woven = {
  /** Of the first service, by an address. */
  url: string
  /** Requests served so far, by the kernel or by a relay's slow path, on both nodes; each request once. */
  share(): Promise<Share>
  close(): Promise<void>
}

export interface Mesh {
  /** Resolves when every new connection from `near.managed` to `url` is routed. */
  start(place: Place): Promise<Woven>
}
