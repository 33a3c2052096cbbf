/**
 * Joins what the kernel's records bring of copied requests (heddle.h: copies of requests). Where one is missing
 * the copy never ends, and is forgotten.
 */
import type { Asker, CopyRecord } from './copy-record.ts'
import type { CopyCounts } from './lost.ts'

/** A request as it was sent, head and body, and where it is to be sent besides. */
export type Copy = { bytes: Buffer; targets: readonly number[]; asker: Asker }

/** Requests that are being joined, and bytes of all of them: a client that stops within its request holds one. */
const MAX_OPEN = 1_024
const MAX_OPEN_BYTES = 8_388_608
/** Milliseconds without anything more of it. */
const IDLE_MS = 30_000
/** Milliseconds that a record may be old: what waited for a relay that was not there is no live traffic. */
const STALE_MS = 10_000
const NS_PER_MS = 1_000_000n

type Open = {
  request: number
  parts: Buffer[]
  bytes: number
  to: Pick<Copy, 'targets' | 'asker'> | undefined
  /** Milliseconds. */
  heard: number
}

export type AssemblyPorts = {
  /** CLOCK_MONOTONIC, nanoseconds. */
  now(): bigint
  counts: CopyCounts
  whole(copy: Copy): void
}

export class Assembly {
  private readonly ports: AssemblyPorts
  /** By connection: requests of one follow one another. The one heard longest ago comes first. */
  private readonly open = new Map<bigint, Open>()
  private held = 0

  constructor(ports: AssemblyPorts) {
    this.ports = ports
  }

  take(record: CopyRecord): void {
    const now = this.ports.now()
    const { cookie, kind } = record
    const known = this.open.get(cookie)
    if (known && known.request !== record.request) this.drop(cookie, 'incomplete')
    const one = this.opened(record, Number(now / NS_PER_MS))
    if (one === undefined) return
    if (kind === 'to') one.to = { targets: record.targets, asker: record.asker }
    else if (kind === 'forget') this.drop(cookie)
    else if (kind === 'too-large') this.drop(cookie, 'tooLarge')
    else if (kind === 'broken') this.drop(cookie, 'incomplete')
    else if (now - record.at > BigInt(STALE_MS) * NS_PER_MS) this.drop(cookie, 'stale')
    else this.add(one, record)
  }

  /** Once in a while: what was begun and never ended. */
  sweep(): void {
    const before = Number(this.ports.now() / NS_PER_MS) - IDLE_MS
    for (const [cookie, { heard }] of this.open) if (heard < before) this.drop(cookie, 'incomplete')
  }

  /** Undefined = it is the rest of one that is forgotten. */
  private opened({ cookie, request, offset, kind }: CopyRecord, heard: number): Open | undefined {
    const known = this.open.get(cookie)
    this.open.delete(cookie)
    if (known === undefined && (offset !== 0 || kind === 'forget')) return undefined
    const one = known ?? { request, parts: [], bytes: 0, to: undefined, heard }
    one.heard = heard
    this.open.set(cookie, one)
    return one
  }

  private add(one: Open, { cookie, offset, bytes, kind }: CopyRecord): void {
    if (offset !== one.bytes) {
      this.drop(cookie, 'incomplete')
      return
    }
    one.parts.push(bytes)
    one.bytes += bytes.length
    this.held += bytes.length
    if (kind === 'end') {
      const { to, parts } = one
      this.drop(cookie)
      if (to) this.ports.whole({ ...to, bytes: Buffer.concat(parts) })
      return
    }
    while (this.open.size > MAX_OPEN || this.held > MAX_OPEN_BYTES) {
      const [oldest] = this.open.keys()
      if (oldest === undefined) return
      this.drop(oldest, 'incomplete')
    }
  }

  private drop(cookie: bigint, why?: 'incomplete' | 'stale' | 'tooLarge'): void {
    const one = this.open.get(cookie)
    this.open.delete(cookie)
    if (!one) return
    this.held -= one.bytes
    if (why) this.ports.counts.lose(why, one.to?.targets.length ?? 0)
  }
}
