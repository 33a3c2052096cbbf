/**
 * libbpf through koffi: the map calls that are too hot, or too small, for a
 * bpftool process each. Every call throws an Error that names the call and errno.
 */
import koffi from 'koffi'
import { Failure } from '../../pipelines/contract/failures.ts'
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
const infoByFd = libbpf.func(
  'int bpf_obj_get_info_by_fd(int fd, _Inout_ void *info, _Inout_ uint32_t *length)',
)
const closeFd = libc.func('int close(int fd)')

const ENOENT = 2
/** struct bpf_map_info (include/uapi/linux/bpf.h): type, id, key_size, value_size. */
const MAP_INFO_BYTES = 16
/** enum bpf_map_type: values of these are arrays, one element a CPU. */
const PER_CPU = new Set([5, 6, 10, 21])

function checked(call: string, result: number): number {
  if (result < 0) throw new BpfError(call, -result)
  return result
}

/**
 * A map of the kernel; close it when done. Values cross here as ABI.md's "Skew" says: the map
 * may be of the ABI before ours or after it, so its values may be shorter or longer than
 * our structs. A longer one is read and written by its beginning, a shorter one is zero at its end.
 */
export class BpfMap {
  readonly fd: number
  /** As the kernel has them; 0 = one that no single value describes (per CPU). */
  readonly valueBytes: number
  private readonly keyBytes: number

  private constructor(fd: number) {
    this.fd = fd
    const info = Buffer.alloc(MAP_INFO_BYTES)
    try {
      checked('bpf_obj_get_info_by_fd', infoByFd(fd, info, u32(MAP_INFO_BYTES)) as number)
    } catch (error) {
      closeFd(fd)
      throw error
    }
    this.keyBytes = info.readUInt32LE(8)
    this.valueBytes = PER_CPU.has(info.readUInt32LE(0)) ? 0 : info.readUInt32LE(12)
  }

  static pinned(path: string): BpfMap {
    return new BpfMap(checked(`bpf_obj_get(${path})`, objGet(path) as number))
  }

  static byId(id: number): BpfMap {
    return new BpfMap(checked(`bpf_map_get_fd_by_id(${id})`, mapById(id) as number))
  }

  update(key: Uint8Array, value: Uint8Array): void {
    this.checkKey(key.length)
    checked('bpf_map_update_elem', mapUpdate(this.fd, key, resized(value, this.valueBytes), 0) as number)
  }

  /** Undefined = no such key. */
  lookup(key: Uint8Array, valueBytes: number): Buffer | undefined {
    this.checkKey(key.length)
    const value = Buffer.alloc(this.valueBytes || valueBytes)
    const result = mapLookup(this.fd, key, value) as number
    if (result === -ENOENT) return undefined
    checked('bpf_map_lookup_elem', result)
    return resized(value, valueBytes)
  }

  delete(key: Uint8Array): void {
    this.checkKey(key.length)
    const result = mapDelete(this.fd, key) as number
    if (result !== -ENOENT) checked('bpf_map_delete_elem', result)
  }

  /** All keys; a map that changes meanwhile may show a key twice or not at all. */
  *keys(keyBytes: number, limit: number): Generator<Buffer> {
    this.checkKey(keyBytes)
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

  /** Keys never change from one ABI to the next: the kernel would read past a shorter one. */
  private checkKey(bytes: number): void {
    if (bytes === this.keyBytes) return
    throw new Failure('abi-mismatch', `the map's keys have ${this.keyBytes} bytes, this program's ${bytes}`)
  }
}

/** The same bytes, cut or zero-padded; 0 = as they are. */
export function resized(value: Uint8Array, bytes: number): Buffer {
  const same = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (bytes === 0 || bytes === same.length) return same
  return Buffer.concat([same], bytes)
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
