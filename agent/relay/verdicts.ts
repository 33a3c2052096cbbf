/**
 * The kernel's own verdict, for connections that the relay serves: the same
 * frozen tables, rows and addresses, read from the maps that the kernel's
 * programs read (bpf/programs/parts/context.h), walked by pipelines/tables/walk.ts.
 */
import { AddressLayout, IdentityRowsLayout, Limit } from '../../bpf/abi/heddle.gen.ts'
import type { Request } from '../../pipelines/protocols/http1-request.ts'
import { isLoopback, isMapped4, LOOPBACK_NAMES } from '../adapters/address-bytes.ts'
import { BpfMap, u32 } from '../adapters/libbpf.ts'
import type { DispatcherPins, Pins } from '../adapters/pins.ts'
import type { SocketName } from '../adapters/connection.ts'
import { ActiveGeneration, type Generation } from './active-generation.ts'
import { type AuditVerdict, KernelAudits } from './kernel-audits.ts'
import { KernelLimits, type Limited } from './kernel-limits.ts'

const IPPROTO_TCP = 6
/** The address of a caller that is known by its identity, or is no workload's: the world's, and nobody's. */
export const NOBODYS = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0)

type Asked = Omit<SocketName, 'cookie' | 'remotePort'> & { remotePort?: number }

/** What one generation says of one connection. */
export type Context = {
  /** Tells the audit rules that speak of it what became of a request, or that what came is none. */
  audit?(request: Request | 'unparsed', verdict: AuditVerdict): void
  /** Of a request that is let in: what draws whether it is copied. */
  mirrored?(request: Request): WantedCopy[]
} & (
  | { kind: 'pass' | 'drop' }
  | {
      kind: 'judge'
      /** Bytes that are no HTTP/1 may pass. */
      opaque: boolean
      allows(request: Request): boolean
      /** The same, and takes from the limits that the request meets. */
      take(request: Request): 'allow' | 'deny' | Limited
    }
)

/** `service`: its live number; undefined = this node does not know it. */
export type WantedCopy = { service: number | undefined; ratio: number }

/** What audit rules are told of a request that was judged, or passed. */
export function auditVerdict(kind: 'pass' | 'judge', judged: 'allow' | 'deny' | Limited): AuditVerdict {
  if (judged === 'allow') return kind === 'judge' ? 'allowed' : 'passed'
  return judged === 'deny' ? 'denied' : 'limited'
}

export class Verdicts {
  readonly generations: ActiveGeneration
  readonly limits = new KernelLimits()
  readonly audits = new KernelAudits()
  private readonly identities: BpfMap

  constructor(pins: Pins) {
    this.generations = new ActiveGeneration(pins)
    this.identities = BpfMap.pinned(pins.map('identities'))
  }

  /** The programs by which what is judged here counts among what the kernel judges. */
  follow(dispatcher: DispatcherPins): void {
    this.limits.follow(dispatcher.program('relay_take'))
    this.audits.follow(dispatcher.program('relay_audit'))
  }

  /**
   * Under the generation that is active now, if none is given. None is: everything is dropped. `peer`: the
   * identity behind `remote`, where it is known by more than its address.
   */
  context(
    { local, remote, localPort, remotePort = 0 }: Asked,
    peer = 0,
    generation = this.generations.current(),
  ): Context {
    if (!generation) return { kind: 'drop' }
    const { walker } = generation
    const identity = this.workloadAt(local)
    if (identity === 0) return { kind: isLoopback(local) ? 'pass' : 'drop' }
    const own = this.rowsOf(generation, identity)
    if (!own) return { kind: 'drop' }
    const asking = peer === 0 ? this.identityAt(remote) : peer
    const rows = { subject: own.subject, peer: this.peerRow(generation, remote, asking) }
    const judges = walker.connection(rows, IPPROTO_TCP, localPort)
    const audits = judges === 'drop' ? 0n : walker.audits(rows, IPPROTO_TCP, localPort)
    const by = { local, remote, localPort, remotePort, peer, word: generation.word }
    const audit = (request: Request | 'unparsed', verdict: AuditVerdict) =>
      this.audits.note(walker.audited(audits, request), by, verdict, request)
    const mirrors = judges === 'drop' ? 0n : walker.mirrors(rows, IPPROTO_TCP, localPort)
    const mirrored = (request: Request) =>
      walker
        .mirrored(mirrors, request)
        .map(({ service, ratio }) => ({ service: generation.live(service), ratio }))
    const seen = { ...(audits !== 0n && { audit }), ...(mirrors !== 0n && { mirrored }) }
    if (typeof judges !== 'bigint') return { kind: judges, ...seen }
    return {
      kind: 'judge',
      ...seen,
      opaque: walker.passesUnparsed(judges),
      allows: (request) => walker.allows(judges, request),
      take: (request) => {
        const rates = walker.allowed(judges, request)
        if (rates === undefined) return 'deny'
        return this.limits.take(rates, request, { identity: asking, address: remote }) ?? 'allow'
      },
    }
  }

  close(): void {
    this.generations.close()
    this.limits.close()
    this.audits.close()
    this.identities.close()
  }

  /** Of the workload that has exactly this address; 0 = none. */
  identityAt(address: Uint8Array): number {
    const key = Buffer.alloc(AddressLayout.bytes)
    key.writeUInt32LE(128, 0)
    key.set(address, AddressLayout.fields.bytes.at)
    return this.identities.lookup(key, 4)?.readUInt32LE() ?? 0
  }

  /** Loopback's names are one host's, as in context.h. */
  workloadAt(local: Uint8Array): number {
    for (const name of isLoopback(local) ? [local, ...LOOPBACK_NAMES] : [local]) {
      const identity = this.identityAt(name)
      if (identity !== 0) return identity
    }
    return 0
  }

  private rowsOf(generation: Generation, identity: number): { subject: bigint; peer: bigint } | undefined {
    const bytes = generation.rows.lookup(u32(identity), IdentityRowsLayout.bytes)
    const { subject, peer } = IdentityRowsLayout.fields
    return bytes && { subject: rowAt(bytes, subject.at), peer: rowAt(bytes, peer.at) }
  }

  private peerRow(generation: Generation, remote: Uint8Array, identity: number): bigint {
    if (identity !== 0) return this.rowsOf(generation, identity)?.peer ?? 0n
    return generation.walker.world(isMapped4(remote) ? remote.subarray(12) : remote)
  }
}

function rowAt(bytes: Buffer, at: number): bigint {
  let row = 0n
  for (let i = 0; i < Limit.ROW_U64; i++) row |= bytes.readBigUInt64LE(at + 8 * i) << BigInt(64 * i)
  return row
}
