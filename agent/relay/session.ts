/** The relay's handle on one set of pinned maps; a new dispatcher's pins need a new one. */
import { statSync } from 'node:fs'
import { ActiveLayout } from '../../bpf/abi/heddle.gen.ts'
import { BpfMap, u32 } from '../adapters/libbpf.ts'
import type { Pins } from '../adapters/pins.ts'
import { decodeEvent, type RelayEvent } from '../adapters/connection.ts'
import { ConnectionMap } from './connections.ts'
import { EventRing } from './ring.ts'

export type SessionHooks = {
  /** A record of the ring; undefined = of another ABI. */
  event(event: RelayEvent | undefined): void
  /** After the last record that was there. */
  drained(): void
}

export class Session {
  readonly connections: ConnectionMap
  readonly ring: EventRing
  private readonly pins: Pins
  private readonly inode: bigint

  private constructor(pins: Pins, inode: bigint, hooks: SessionHooks) {
    this.pins = pins
    this.inode = inode
    this.connections = new ConnectionMap(pins.map('conns'))
    this.ring = new EventRing(pins.map('events'), (bytes) => hooks.event(decodeEvent(bytes)), hooks.drained)
  }

  /** Undefined = the dispatcher is not installed (yet). */
  static open(pins: Pins, hooks: SessionHooks): Session | undefined {
    const inode = pinnedInode(pins)
    return inode === undefined ? undefined : new Session(pins, inode, hooks)
  }

  /** False = the pins are gone, or are of another dispatcher. */
  isCurrent(): boolean {
    return pinnedInode(this.pins) === this.inode
  }

  activeSlot(): number | null {
    const map = BpfMap.pinned(this.pins.map('active'))
    try {
      const word = map.lookup(u32(0), ActiveLayout.bytes)?.readBigUInt64LE() ?? 0n
      return word >> 8n === 0n ? null : Number(word & 0xffn)
    } finally {
      map.close()
    }
  }

  async close(): Promise<void> {
    await this.ring.close()
    this.connections.close()
  }
}

/** Of the last live map that is pinned: an installation is whole, or is not there. */
function pinnedInode(pins: Pins): bigint | undefined {
  const paths = (['conns', 'events', 'counters', 'active'] as const).map((name) => pins.map(name))
  const inodes = paths.map((path) => statSync(path, { bigint: true, throwIfNoEntry: false })?.ino)
  return inodes.includes(undefined) ? undefined : inodes[1]
}
