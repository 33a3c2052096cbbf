/** The map `conns` as the relay reads it: one connection by cookie, or all in batches. */
import koffi from 'koffi'
import { ConnLayout, Limit } from '../../bpf/abi/heddle.gen.ts'
import { BpfError } from '../adapters/bpf-error.ts'
import { BpfMap, resized, u32, u64 } from '../adapters/libbpf.ts'
import { type Connection, decodeConnection } from '../adapters/connection.ts'

const libbpf = koffi.load('libbpf.so.1')
const lookupBatch = libbpf.func(
  'int bpf_map_lookup_batch(int fd, void *from, _Out_ void *next, _Out_ void *keys, _Out_ void *values, _Inout_ uint32_t *count, void *options)',
)

/** Entries a call: 256 KB of values. */
const BATCH = 512
const KEY_BYTES = 8
const ENOENT = 2

/** Where the kernel keeps what it knows of connections; a fake of it stands in for tests. */
export interface Connections {
  /** Undefined = the connection has ended. */
  one(cookie: bigint): Connection | undefined
  /** One that is born or dies meanwhile may be missing or there twice. */
  all(): Iterable<Connection>
}

export class ConnectionMap implements Connections {
  private readonly map: BpfMap

  constructor(path: string) {
    this.map = BpfMap.pinned(path)
  }

  one(cookie: bigint): Connection | undefined {
    const bytes = this.map.lookup(u64(cookie), ConnLayout.bytes)
    return bytes && decodeConnection(bytes)
  }

  *all(): Generator<Connection> {
    const keys = Buffer.alloc(BATCH * KEY_BYTES)
    // The kernel's records: of the ABI before ours or after it they are shorter or longer.
    const size = this.map.valueBytes
    const values = Buffer.alloc(BATCH * size)
    let from: Buffer | null = null
    for (let read = 0; read < 2 * Limit.MAX_CONNS; ) {
      const next = Buffer.alloc(KEY_BYTES)
      const count = u32(BATCH)
      const result = lookupBatch(this.map.fd, from, next, keys, values, count, null) as number
      if (result < 0 && result !== -ENOENT) throw new BpfError('bpf_map_lookup_batch', -result)
      const found = count.readUInt32LE()
      for (let i = 0; i < found; i++)
        yield decodeConnection(resized(values.subarray(i * size, (i + 1) * size), ConnLayout.bytes))
      if (result === -ENOENT) return
      read += found
      from = next
    }
  }

  close(): void {
    this.map.close()
  }
}
