/**
 * libbpf through koffi: the map calls that are too hot, or too small, for a
 * bpftool process each. Every call throws an Error that names the call and errno.
 */
import koffi from 'koffi'
import { BpfError } from './bpf-error.ts'

const libbpf = koffi.load('libbpf.so.1')
const libc = koffi.load('libc.so.6')

const objGet = libbpf.func('int bpf_obj_get(const char *path)')
const mapUpdate = libbpf.func(
  'int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)',
)
const mapLookup = libbpf.func('int bpf_map_lookup_elem(int fd, const void *key, _Out_ void *value)')
const mapDelete = libbpf.func('int bpf_map_delete_elem(int fd, const void *key)')
const mapNext = libbpf.func('int bpf_map_get_next_key(int fd, const void *key, _Out_ void *next)')
const mapById = libbpf.func('int bpf_map_get_fd_by_id(uint32_t id)')
const progQuery = libbpf.func(
  'int bpf_prog_query(int fd, int type, uint32_t flags, _Out_ uint32_t *attach, _Out_ uint32_t *ids, _Inout_ uint32_t *count)',
)
const closeFd = libc.func('int close(int fd)')

const ENOENT = 2

function checked(call: string, result: number): number {
  if (result < 0) throw new BpfError(call, -result)
  return result
}

/** A descriptor of a pinned or numbered kernel object; close it when done. */
export class BpfMap {
  readonly fd: number

  private constructor(fd: number) {
    this.fd = fd
  }

  static pinned(path: string): BpfMap {
    return new BpfMap(checked(`bpf_obj_get(${path})`, objGet(path) as number))
  }

  static byId(id: number): BpfMap {
    return new BpfMap(checked(`bpf_map_get_fd_by_id(${id})`, mapById(id) as number))
  }

  update(key: Uint8Array, value: Uint8Array): void {
    checked('bpf_map_update_elem', mapUpdate(this.fd, key, value, 0) as number)
  }

  /** Undefined = no such key. */
  lookup(key: Uint8Array, valueBytes: number): Buffer | undefined {
    const value = Buffer.alloc(valueBytes)
    const result = mapLookup(this.fd, key, value) as number
    if (result === -ENOENT) return undefined
    checked('bpf_map_lookup_elem', result)
    return value
  }

  delete(key: Uint8Array): void {
    const result = mapDelete(this.fd, key) as number
    if (result !== -ENOENT) checked('bpf_map_delete_elem', result)
  }

  /** All keys; a map that changes meanwhile may show a key twice or not at all. */
  *keys(keyBytes: number, limit: number): Generator<Buffer> {
    let key: Buffer | null = null
    for (let i = 0; i < limit; i++) {
      const next = Buffer.alloc(keyBytes)
      const result = mapNext(this.fd, key, next) as number
      if (result === -ENOENT) return
      checked('bpf_map_get_next_key', result)
      yield next
      key = next
    }
  }

  /** Program ids that the kernel has attached to this map (sockmap) or cgroup descriptor. */
  attachedPrograms(attachType: number): number[] {
    const ids = Buffer.alloc(4 * 64)
    const count = Buffer.alloc(4)
    count.writeUInt32LE(64)
    checked('bpf_prog_query', progQuery(this.fd, attachType, 0, Buffer.alloc(4), ids, count) as number)
    return Array.from({ length: count.readUInt32LE() }, (_, i) => ids.readUInt32LE(4 * i)).filter(
      (id) => id > 0,
    )
  }

  close(): void {
    closeFd(this.fd)
  }
}

/** A pinned program's descriptor as the value that a PROG_ARRAY takes. */
export function withPinnedProgram<T>(path: string, use: (fdBytes: Buffer) => T): T {
  const fd = checked(`bpf_obj_get(${path})`, objGet(path) as number)
  try {
    return use(u32(fd))
  } finally {
    closeFd(fd)
  }
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

export function u64(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
  return bytes
}
