/**
 * Makes close() of a socket a reset, at once. Node's own resetAndDestroy() waits until all that was
 * written is with the kernel (for ever, where the other side does not read), and while an end is on
 * its way it does nothing at all, not even 'close' (uv_tcp_close_reset: EINVAL).
 */
import type { Socket } from 'node:net'
import koffi from 'koffi'
import { BpfError } from '../../adapters/bpf-error.ts'

const libc = koffi.load('libc.so.6')
const setOption = libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)')

const SOL_SOCKET = 1
const SO_LINGER = 13
/** struct linger: on, for no time. */
const AT_ONCE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])

export function resetOnClose(socket: Socket): void {
  const { fd } = (socket as unknown as { _handle: { fd: number } | null })._handle ?? { fd: -1 }
  // No descriptor yet, or no longer: there is nothing that could be reset.
  if (fd < 0) return
  if ((setOption(fd, SOL_SOCKET, SO_LINGER, AT_ONCE, AT_ONCE.length) as number) < 0)
    throw new BpfError('setsockopt', koffi.errno())
}
