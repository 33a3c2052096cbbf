/** Copies that the kernel's programs make, and the relay itself, sent to where live services are. */
import { existsSync } from 'node:fs'
import { addressText } from '../../adapters/address-bytes.ts'
import type { Pins } from '../../adapters/pins.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import type { KernelBalance } from '../outbound/kernel-balance.ts'
import type { Target } from '../outbound/ports.ts'
import { type Open, UpstreamPool } from '../outbound/upstream-pool.ts'
import { EventRing } from '../ring.ts'
import { type Context, NOBODYS, type Verdicts } from '../verdicts.ts'
import { Assembly } from './assembly.ts'
import { type Asker, decodeCopy } from './copy-record.ts'
import { Mirror } from './mirror.ts'

export type MirrorParts = {
  verdicts: Verdicts
  balance: KernelBalance
  open: Open
  /** Milliseconds, never backwards. */
  now(): number
  /** 32 bits. */
  random(): number
  complain(error: unknown): void
}

export class KernelMirror {
  readonly mirror: Mirror
  private readonly parts: MirrorParts
  private readonly assembly: Assembly
  private readonly connector: UpstreamPool
  /** None where the dispatcher is older than copies. */
  private readonly ring: EventRing | undefined
  /** Records of another ABI. */
  private unknown = 0
  /** Addresses of this node's workloads by identity: other nodes know them by these. */
  private sources: ReadonlyMap<number, Uint8Array> = new Map()

  constructor(pins: Pins, parts: MirrorParts) {
    this.parts = parts
    this.connector = new UpstreamPool(parts.now, parts.open)
    this.mirror = new Mirror({
      connector: this.connector,
      random: parts.random,
      target: (service, request, asker) => this.target(service, request, asker),
      complain: parts.complain,
    })
    this.assembly = new Assembly({
      now: process.hrtime.bigint,
      counts: this.mirror.counts,
      whole: (copy) => this.mirror.send(copy),
    })
    const path = pins.map('copies')
    if (existsSync(path))
      this.ring = new EventRing(
        path,
        (record) => this.take(record),
        () => {},
      )
  }

  sweep(sources: ReadonlyMap<number, Uint8Array>): void {
    this.sources = sources
    this.assembly.sweep()
  }

  get stats(): Record<string, unknown> {
    const { delivered, lost } = this.mirror.counts
    const why = Object.fromEntries(Object.entries(lost).filter(([, count]) => count > 0))
    return { delivered, lost: why, open: this.mirror.open, unknown: this.unknown }
  }

  async close(): Promise<void> {
    await this.ring?.close()
    this.mirror.close()
    this.connector.close()
  }

  private take(record: Buffer): void {
    const copy = decodeCopy(record)
    if (copy) this.assembly.take(copy)
    else this.unknown++
  }

  /** Rules of an endpoint of this node are asked here, another node asks its own. */
  private target(service: number, request: Request, asker: Asker): Target | 'noEndpoint' | 'denied' {
    const { verdicts, balance } = this.parts
    const identity = 'identity' in asker ? asker.identity : verdicts.workloadAt(asker.address)
    const { endpoints } = balance.order(service, { identity, request })
    const [first] = endpoints
    if (first === undefined) return 'noEndpoint'
    const { address, port } = first.at
    if (first.local) {
      const context = verdicts.context({ local: address, localPort: port, remote: NOBODYS }, identity)
      if (!lets(context, request)) return 'denied'
    }
    const source = this.sources.get(identity)
    return {
      ...{ address: addressText(address), port, identity, local: first.local },
      ...(source && !first.local && { source: addressText(source) }),
    }
  }
}

/** It takes from rate limits as any other request does. */
function lets(context: Context, request: Request): boolean {
  if (context.kind !== 'judge') return context.kind === 'pass'
  return context.take(request) === 'allow'
}
