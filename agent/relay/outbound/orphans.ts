/**
 * Requests that an earlier relay left under way: it was killed, or its time was over, and their clients
 * still waited to be accepted. Each is settled when this relay meets its client.
 */
import { Limit, UpstreamLayout, Use } from '../../../bpf/abi/heddle.gen.ts'
import type { KernelAsk } from './kernel-ask.ts'
import type { KernelEnd } from './ports.ts'
import type { UpstreamEntries } from './upstream-entries.ts'
import { endOf, isDirect } from './upstream-values.ts'

const CLIENT_AT = UpstreamLayout.fields.client.at

export class Orphans {
  private readonly entries: UpstreamEntries
  private readonly ask: KernelAsk
  private readonly free: (index: number) => void
  /** By client: the index of the upstream. Until it is free the kernel takes nothing else of the client. */
  private readonly indexes = new Map<bigint, number>()

  /** `free`: the entry is of no use any more. */
  constructor(entries: UpstreamEntries, ask: KernelAsk, free: (index: number) => void) {
    this.entries = entries
    this.ask = ask
    this.free = free
  }

  /** Entries that are free, low ones last. Whoever had the others is gone, and its connections; but clients have their own. */
  inherit(): number[] {
    const indexes = Array.from({ length: Limit.MAX_UPSTREAMS }, (_, index) => Limit.MAX_UPSTREAMS - 1 - index)
    return indexes.filter((index) => this.isFree(index))
  }

  private isFree(index: number): boolean {
    const use = this.entries.useOf(index)
    if (use === Use.USE_NONE) return true
    if (use === Use.USE_TAKEN && isDirect(this.entries.at(index))) return false
    this.ask.bury(index)
    if (this.adopt(index)) return false
    this.entries.erase(index)
    return true
  }

  /** Is there a request under way on it? Then its entry stays as it is. */
  private adopt(index: number): boolean {
    const value = this.entries.at(index)
    const client = value?.readBigUInt64LE(CLIENT_AT) ?? 0n
    if (value === undefined || client === 0n || !endOf(value).working) return false
    this.indexes.set(client, index)
    return true
  }

  /** The client is there. A server that did not mind the end of its connection may have answered meanwhile. */
  settle(client: bigint, tell: (end: KernelEnd) => void): void {
    const index = this.indexes.get(client)
    if (index === undefined) return
    const value = this.entries.at(index)
    if (value && endOf(value).working) tell(endOf(value))
    this.drop(client, index)
  }

  /** Clients that have gone need no answer. */
  sweep(lives: (client: bigint) => boolean): void {
    for (const [client, index] of this.indexes) if (!lives(client)) this.drop(client, index)
  }

  private drop(client: bigint, index: number): void {
    this.indexes.delete(client)
    this.free(index)
  }
}
