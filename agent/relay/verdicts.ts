/**
 * The kernel's own verdict, for connections that the relay serves: the same
 * frozen tables, rows and addresses, read from the maps that the kernel's
 * programs read (bpf/programs/parts/context.h), walked by pipelines/tables/walk.ts.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import koffi from 'koffi'
import { ActiveLayout, AddressLayout, IdentityRowsLayout, Limit } from '../../bpf/abi/heddle.gen.ts'
import type { Request } from '../../pipelines/protocols/http1-request.ts'
import { AT } from '../../pipelines/tables/layout.ts'
import { TablesWalker } from '../../pipelines/tables/walk.ts'
import { isLoopback, isMapped4, LOOPBACK_NAMES } from '../adapters/address-bytes.ts'
import { BpfError } from '../adapters/bpf-error.ts'
import { BpfMap, u32 } from '../adapters/libbpf.ts'
import type { Pins } from '../adapters/pins.ts'
import type { SocketName } from '../adapters/connection.ts'

const libbpf = koffi.load('libbpf.so.1')
const infoByFd = libbpf.func('int bpf_obj_get_info_by_fd(int fd, _Out_ void *info, _Inout_ uint32_t *length)')

const IPPROTO_TCP = 6
/** struct bpf_map_info (linux/bpf.h): bytes of it that are asked for, and where value_size stands. */
const MAP_INFO_BYTES = 16
const VALUE_SIZE_AT = 12

/** What one generation says of one connection. */
export type Context =
  | { kind: 'pass' | 'drop' }
  | {
      kind: 'judge'
      /** Bytes that are no HTTP/1 may pass. */
      opaque: boolean
      allows(request: Request): boolean
    }

type Generation = { word: bigint; walker: TablesWalker; rows: BpfMap }

export class Verdicts {
  private readonly pins: Pins
  private readonly active: BpfMap
  private readonly identities: BpfMap
  private generation: Generation | undefined

  constructor(pins: Pins) {
    this.pins = pins
    this.active = BpfMap.pinned(pins.map('active'))
    this.identities = BpfMap.pinned(pins.map('identities'))
  }

  /** Under the generation that is active now. None is: everything is dropped. */
  context({ local, remote, localPort }: Omit<SocketName, 'cookie'>): Context {
    const generation = this.current()
    if (!generation) return { kind: 'drop' }
    const { walker } = generation
    const identity = this.workloadAt(local)
    if (identity === 0) return { kind: isLoopback(local) ? 'pass' : 'drop' }
    const own = this.rowsOf(generation, identity)
    if (!own) return { kind: 'drop' }
    const peer = this.peerRow(generation, remote)
    const judges = walker.connection({ subject: own.subject, peer }, IPPROTO_TCP, localPort)
    if (typeof judges !== 'bigint') return { kind: judges }
    const opaque = (judges & walker.row(walker.word(AT.opaque_at))) !== 0n
    return { kind: 'judge', opaque, allows: (request) => walker.allows(judges, request) }
  }

  close(): void {
    this.active.close()
    this.identities.close()
    this.generation?.rows.close()
  }

  private current(): Generation | undefined {
    const word = this.active.lookup(u32(0), ActiveLayout.bytes)?.readBigUInt64LE() ?? 0n
    if (word >> 8n === 0n) return undefined
    if (this.generation?.word === word) return this.generation
    this.generation?.rows.close()
    this.generation = undefined
    const slot = Number(word & 0xffn)
    const rows = BpfMap.pinned(this.pins.slotMap(slot, 'identity_rows'))
    this.generation = { word, walker: new TablesWalker(this.tables(slot)), rows }
    return this.generation
  }

  /** libbpf pins section .rodata.policy with its dots replaced. */
  private tables(slot: number): Buffer {
    const maps = join(this.pins.slot(slot), 'maps')
    const name = readdirSync(maps).find((entry) => entry.endsWith('rodata_policy'))
    if (name === undefined) throw new Error(`slot ${slot} pins no tables`)
    const map = BpfMap.pinned(join(maps, name))
    try {
      const info = Buffer.alloc(MAP_INFO_BYTES)
      const result = infoByFd(map.fd, info, u32(MAP_INFO_BYTES)) as number
      if (result < 0) throw new BpfError('bpf_obj_get_info_by_fd', -result)
      return map.lookup(u32(0), info.readUInt32LE(VALUE_SIZE_AT)) ?? Buffer.alloc(0)
    } finally {
      map.close()
    }
  }

  private identityOf(address: Uint8Array): number {
    const key = Buffer.alloc(AddressLayout.bytes)
    key.writeUInt32LE(128, 0)
    key.set(address, AddressLayout.fields.bytes.at)
    return this.identities.lookup(key, 4)?.readUInt32LE() ?? 0
  }

  /** Loopback's names are one host's, as in context.h. */
  private workloadAt(local: Uint8Array): number {
    for (const name of isLoopback(local) ? [local, ...LOOPBACK_NAMES] : [local]) {
      const identity = this.identityOf(name)
      if (identity !== 0) return identity
    }
    return 0
  }

  private rowsOf(generation: Generation, identity: number): { subject: bigint; peer: bigint } | undefined {
    const bytes = generation.rows.lookup(u32(identity), IdentityRowsLayout.bytes)
    const { subject, peer } = IdentityRowsLayout.fields
    return bytes && { subject: rowAt(bytes, subject.at), peer: rowAt(bytes, peer.at) }
  }

  private peerRow(generation: Generation, remote: Uint8Array): bigint {
    const identity = this.identityOf(remote)
    if (identity !== 0) return this.rowsOf(generation, identity)?.peer ?? 0n
    return generation.walker.world(isMapped4(remote) ? remote.subarray(12) : remote)
  }
}

function rowAt(bytes: Buffer, at: number): bigint {
  let row = 0n
  for (let i = 0; i < Limit.ROW_U64; i++) row |= bytes.readBigUInt64LE(at + 8 * i) << BigInt(64 * i)
  return row
}
