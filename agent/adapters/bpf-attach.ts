/**
 * Attaching by system call. bpftool can't replace a program that is attached: it would
 * detach the old one first, and for that moment nothing would judge.
 * Source: struct bpf_prog_attach_opts, struct bpf_link_update_opts (tools/lib/bpf/bpf.h).
 */
import koffi from 'koffi'
import { BpfError } from './bpf-error.ts'

const libbpf = koffi.load('libbpf.so.1')
const libc = koffi.load('libc.so.6')
const objGet = libbpf.func('int bpf_obj_get(const char *path)')
const objPin = libbpf.func('int bpf_obj_pin(int fd, const char *path)')
const progAttach = libbpf.func('int bpf_prog_attach_opts(int program, int target, int type, void *options)')
const progDetach = libbpf.func('int bpf_prog_detach2(int program, int target, int type)')
const linkUpdate = libbpf.func('int bpf_link_update(int link, int program, void *options)')
const closeFd = libc.func('int close(int fd)')

const BPF_F_ALLOW_MULTI = 2
const BPF_F_REPLACE = 4
/** struct bpf_prog_attach_opts: size_t sz, u32 flags, int replace_prog_fd. */
const OPTIONS_BYTES = 16

/** Puts a pinned program on a sockhash. Sockets that are in it already keep what they have. */
export function attachToMap(program: string, mapFd: number, type: number): void {
  withPinned(program, (fd) =>
    checked('bpf_prog_attach', progAttach(fd, mapFd, type, options(0, 0)) as number),
  )
}

/** Puts a pinned program on a cgroup: beside others, or in the place of `instead`, in one step. */
export function attachToCgroup(program: string, cgroupFd: number, type: number, instead?: string): void {
  const attach = (fd: number, flags: number, replaced: number) =>
    checked('bpf_prog_attach', progAttach(fd, cgroupFd, type, options(flags, replaced)) as number)
  withPinned(program, (fd) => {
    if (instead === undefined) attach(fd, BPF_F_ALLOW_MULTI, 0)
    else withPinned(instead, (old) => attach(fd, BPF_F_ALLOW_MULTI | BPF_F_REPLACE, old))
  })
}

export function detachFromCgroup(program: string, cgroupFd: number, type: number): void {
  withPinned(program, (fd) => checked('bpf_prog_detach', progDetach(fd, cgroupFd, type) as number))
}

/** Puts a pinned program in the place of the one that a link holds, in one step. */
export function replaceInLink(program: string, linkFd: number): void {
  withPinned(program, (fd) => checked('bpf_link_update', linkUpdate(linkFd, fd, null) as number))
}

/** A second name for what is pinned at `from`. */
export function pinAgain(from: string, to: string): void {
  withPinned(from, (fd) => checked(`bpf_obj_pin(${to})`, objPin(fd, to) as number))
}

function options(flags: number, replaced: number): Buffer {
  const bytes = Buffer.alloc(OPTIONS_BYTES)
  bytes.writeBigUInt64LE(BigInt(OPTIONS_BYTES), 0)
  bytes.writeUInt32LE(flags, 8)
  bytes.writeInt32LE(replaced, 12)
  return bytes
}

function withPinned(path: string, use: (fd: number) => void): void {
  const fd = objGet(path) as number
  checked(`bpf_obj_get(${path})`, fd)
  try {
    use(fd)
  } finally {
    closeFd(fd)
  }
}

function checked(call: string, result: number): void {
  if (result < 0) throw new BpfError(call, -result)
}
