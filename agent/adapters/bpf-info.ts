/**
 * What the kernel tells of a program or a map by its id, in one system call:
 * an inspection asks for dozens, and a bpftool process for each takes seconds.
 * Source: struct bpf_prog_info, struct bpf_map_info (include/uapi/linux/bpf.h), stable layouts.
 */
import koffi from 'koffi'
import { BpfError } from './bpf-error.ts'

const libbpf = koffi.load('libbpf.so.1')
const libc = koffi.load('libc.so.6')
const objGet = libbpf.func('int bpf_obj_get(const char *path)')
const programById = libbpf.func('int bpf_prog_get_fd_by_id(uint32_t id)')
const mapById = libbpf.func('int bpf_map_get_fd_by_id(uint32_t id)')
const infoByFd = libbpf.func(
  'int bpf_obj_get_info_by_fd(int fd, _Inout_ void *info, _Inout_ uint32_t *length)',
)
const programQuery = libbpf.func(
  'int bpf_prog_query(int fd, int type, uint32_t flags, _Out_ uint32_t *attach, _Out_ uint32_t *ids, _Inout_ uint32_t *count)',
)
const closeFd = libc.func('int close(int fd)')

/** Bytes of the structs as far as they are read here. */
const PROGRAM_INFO_BYTES = 80
const MAP_INFO_BYTES = 40
/** Maps of one program, and programs on one hook: more than there ever are. */
const MAX_IDS = 64

export type ProgramInfo = { id: number; tag: string; mapIds: number[] }
export type MapInfo = { name: string; valueBytes: number }

export function programInfo(id: number): ProgramInfo {
  return withFd('bpf_prog_get_fd_by_id', programById(id) as number, readProgram)
}

export function pinnedProgram(path: string): ProgramInfo {
  return withFd(`bpf_obj_get(${path})`, objGet(path) as number, readProgram)
}

export function mapInfo(id: number): MapInfo {
  return withFd('bpf_map_get_fd_by_id', mapById(id) as number, (fd) => {
    const info = read(fd, Buffer.alloc(MAP_INFO_BYTES))
    const [name = ''] = info.toString('latin1', 24, 40).split('\0')
    return { name, valueBytes: info.readUInt32LE(12) }
  })
}

/** Ids of the programs attached to an open cgroup directory. */
export function attachedTo(cgroupFd: number, attachType: number): number[] {
  const ids = Buffer.alloc(4 * MAX_IDS)
  const count = Buffer.alloc(4)
  count.writeUInt32LE(MAX_IDS)
  checked('bpf_prog_query', programQuery(cgroupFd, attachType, 0, Buffer.alloc(4), ids, count) as number)
  return Array.from({ length: count.readUInt32LE() }, (_, index) => ids.readUInt32LE(4 * index))
}

function readProgram(fd: number): ProgramInfo {
  const info = Buffer.alloc(PROGRAM_INFO_BYTES)
  const mapIds = koffi.alloc('uint32_t', MAX_IDS)
  info.writeUInt32LE(MAX_IDS, 52)
  info.writeBigUInt64LE(koffi.address(mapIds), 56)
  read(fd, info)
  const count = Math.min(info.readUInt32LE(52), MAX_IDS)
  const ids: number[] = Array.from(koffi.decode(mapIds, koffi.array('uint32_t', MAX_IDS)))
  koffi.free(mapIds)
  return { id: info.readUInt32LE(4), tag: info.toString('hex', 8, 16), mapIds: ids.slice(0, count) }
}

function read(fd: number, info: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(info.length)
  checked('bpf_obj_get_info_by_fd', infoByFd(fd, info, length) as number)
  return info
}

function withFd<T>(call: string, fd: number, use: (fd: number) => T): T {
  checked(call, fd)
  try {
    return use(fd)
  } finally {
    closeFd(fd)
  }
}

function checked(call: string, result: number): void {
  if (result < 0) throw new BpfError(call, -result)
}
