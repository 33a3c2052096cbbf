/** Listening sockets that nobody accepts from here: what a supervisor holds for a relay. */
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const openSocket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const listen = libc.func('int listen(int fd, int backlog)')
const nameOf = libc.func('int getsockname(int fd, _Out_ void *address, _Inout_ uint32_t *length)')
const closeFd = libc.func('int close(int fd)')
const AF_INET = 2
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000
const SOCKADDR_IN_BYTES = 16

/** One on 127.0.0.1. */
export function listeningSocket(): { fd: number; port: number; close(): void } {
  const fd = openSocket(AF_INET, SOCK_STREAM_CLOEXEC, 0) as number
  const name = Buffer.alloc(SOCKADDR_IN_BYTES)
  name.writeUInt16LE(AF_INET, 0)
  name.set([127, 0, 0, 1], 4)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(SOCKADDR_IN_BYTES)
  if ((bind(fd, name, name.length) as number) < 0 || (listen(fd, 4096) as number) < 0)
    throw new Error(`listen: errno ${koffi.errno()}`)
  nameOf(fd, name, length)
  return { fd, port: name.readUInt16BE(2), close: () => closeFd(fd) }
}
