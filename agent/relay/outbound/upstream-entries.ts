/** The map `upstreams`: an entry for each connection to an endpoint that programs hand requests to. */
import { UpstreamLayout, Use } from '../../../bpf/abi/heddle.gen.ts'
import { BpfMap, u32 } from '../../adapters/libbpf.ts'
import type { Pins } from '../../adapters/pins.ts'
import { endOf } from './upstream-values.ts'

const { bytes, fields } = UpstreamLayout

export class UpstreamEntries {
  private readonly map: BpfMap

  constructor(pins: Pins) {
    this.map = BpfMap.pinned(pins.map('upstreams'))
  }

  at(index: number): Buffer | undefined {
    return this.map.lookup(u32(index), bytes)
  }

  /** Is a response under way on it? */
  works(index: number): boolean {
    const value = this.at(index)
    return value !== undefined && endOf(value).working
  }

  /** enum heddle_use */
  useOf(index: number): number {
    return this.at(index)?.readUInt32LE(fields.use.at) ?? Use.USE_NONE
  }

  set(index: number, value: Buffer): void {
    this.map.update(u32(index), value)
  }

  erase(index: number): void {
    this.set(index, Buffer.alloc(bytes))
  }

  close(): void {
    this.map.close()
  }
}
