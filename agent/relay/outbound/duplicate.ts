/** Another descriptor of what is open: each is closed by itself. */
import koffi from 'koffi'
import { BpfError } from '../../adapters/bpf-error.ts'

const libc = koffi.load('libc.so.6')
const control = libc.func('int fcntl(int fd, int command, ...)')
const F_DUPFD_CLOEXEC = 1030
/** 0, 1 and 2 are the process's own. */
const FIRST_FD = 3

export function duplicate(open: number): number {
  const fd = control(open, F_DUPFD_CLOEXEC, 'int', FIRST_FD) as number
  if (fd < 0) throw new BpfError('fcntl', koffi.errno())
  return fd
}
