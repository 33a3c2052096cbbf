/**
 * A TCP socket that has its address and port before it connects, so that the
 * relay can announce the connection while nobody else can take its name. Node
 * binds and connects in one go.
 */
import { Socket } from 'node:net'
import koffi from 'koffi'
import { isMapped4 } from '../adapters/address-bytes.ts'
import { BpfError } from '../adapters/bpf-error.ts'

const libc = koffi.load('libc.so.6')
const openSocket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const nameOf = libc.func('int getsockname(int fd, _Out_ void *address, _Inout_ uint32_t *length)')
const closeFd = libc.func('int close(int fd)')

const AF_INET = 2
const AF_INET6 = 10
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000
/** struct sockaddr_in and sockaddr_in6: family, port in network order, address. */
const SOCKADDR_IN_BYTES = 16
const SOCKADDR_IN6_BYTES = 28
const PORT_AT = 2

/** `address`: 16 bytes, network order, IPv4 as ::ffff:a.b.c.d. The kernel chooses the port. */
export function boundSocket(address: Uint8Array): { socket: Socket; port: number } {
  const { fd, port } = boundDescriptor(address)
  return { socket: new Socket({ fd, allowHalfOpen: true }), port }
}

/** The same, for a socket of another make. */
export function boundDescriptor(address: Uint8Array): { fd: number; port: number } {
  const ip4 = isMapped4(address)
  const name = Buffer.alloc(ip4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES)
  name.writeUInt16LE(ip4 ? AF_INET : AF_INET6, 0)
  name.set(ip4 ? address.subarray(12) : address, ip4 ? 4 : 8)
  const fd = openSocket(ip4 ? AF_INET : AF_INET6, SOCK_STREAM_NONBLOCK_CLOEXEC, 0) as number
  if (fd < 0) throw new BpfError('socket', koffi.errno())
  const length = Buffer.alloc(4)
  length.writeUInt32LE(name.length)
  if ((bind(fd, name, name.length) as number) < 0 || (nameOf(fd, name, length) as number) < 0) {
    const errno = koffi.errno()
    closeFd(fd)
    throw new BpfError('bind', errno)
  }
  return { fd, port: name.readUInt16BE(PORT_AT) }
}
