/** The generation that is active, as the relay reads it: the maps and frozen tables of the kernel's own programs. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import koffi from 'koffi'
import { ActiveLayout } from '../../bpf/abi/heddle.gen.ts'
import { RouteWalker } from '../../pipelines/tables/route-walk.ts'
import { TablesWalker } from '../../pipelines/tables/walk.ts'
import { BpfError } from '../adapters/bpf-error.ts'
import { BpfMap, u32 } from '../adapters/libbpf.ts'
import type { Pins } from '../adapters/pins.ts'

const libbpf = koffi.load('libbpf.so.1')
const infoByFd = libbpf.func('int bpf_obj_get_info_by_fd(int fd, _Out_ void *info, _Inout_ uint32_t *length)')

/** struct bpf_map_info (linux/bpf.h): bytes of it that are asked for, and where value_size stands. */
const MAP_INFO_BYTES = 16
const VALUE_SIZE_AT = 12

export type Generation = {
  word: bigint
  slot: number
  walker: TablesWalker
  routes: RouteWalker
  rows: BpfMap
  /** Live number of a service that the tables name; undefined = this node does not know it. */
  live(number: number): number | undefined
}

type Known = { generation: Generation; backends: BpfMap }

export class ActiveGeneration {
  private readonly pins: Pins
  private readonly active: BpfMap
  private known: Known | undefined

  constructor(pins: Pins) {
    this.pins = pins
    this.active = BpfMap.pinned(pins.map('active'))
  }

  /** Undefined = none is staged. */
  current(): Generation | undefined {
    const word = this.active.lookup(u32(0), ActiveLayout.bytes)?.readBigUInt64LE() ?? 0n
    if (word >> 8n === 0n) return undefined
    if (this.known?.generation.word === word) return this.known.generation
    this.forget()
    const slot = Number(word & 0xffn)
    const rows = BpfMap.pinned(this.pins.slotMap(slot, 'identity_rows'))
    const backends = BpfMap.pinned(this.pins.slotMap(slot, 'backend_services'))
    const walker = new TablesWalker(this.tables(slot))
    const live = (number: number) => {
      const value = backends.lookup(u32(number), 4)?.readUInt32LE() ?? 0
      return value === 0 ? undefined : value - 1
    }
    this.known = { generation: { word, slot, walker, routes: new RouteWalker(walker), rows, live }, backends }
    return this.known.generation
  }

  close(): void {
    this.active.close()
    this.forget()
  }

  private forget(): void {
    this.known?.generation.rows.close()
    this.known?.backends.close()
    this.known = undefined
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
}
