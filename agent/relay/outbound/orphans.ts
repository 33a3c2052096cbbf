/**
 * Requests that an earlier relay left under way: it was killed, or its time was over, and their clients
 * still waited to be accepted. Each is settled when this relay meets its client.
 */
import { UpstreamLayout } from '../../../bpf/abi/heddle.gen.ts'
import type { KernelEnd } from './ports.ts'
import type { UpstreamEntries } from './upstream-entries.ts'
import { endOf } from './upstream-values.ts'

const CLIENT_AT = UpstreamLayout.fields.client.at

export class Orphans {
  private readonly entries: UpstreamEntries
  private readonly free: (index: number) => void
  /** By client: the index of the upstream. Until it is free the kernel takes nothing else of the client. */
  private readonly indexes = new Map<bigint, number>()

  /** `free`: the entry is of no use any more. */
  constructor(entries: UpstreamEntries, free: (index: number) => void) {
    this.entries = entries
    this.free = free
  }

  /** Is there a request under way on it? Then its entry stays as it is. */
  adopt(index: number): boolean {
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
