/**
 * TCP sockets of this network namespace through NETLINK_SOCK_DIAG. The kernel
 * answers within send(), so that every call here is short and never waits.
 */
import koffi from 'koffi'
import { BpfError } from '../adapters/bpf-error.ts'
import type { SocketName } from '../adapters/connection.ts'
import {
  AF_INET,
  AF_INET6,
  type DiagSocket,
  decodeSocket,
  destroyRequest,
  dumpRequest,
  errnoOf,
  messages,
  NLMSG_DONE,
  NLMSG_ERROR,
  queryRequest,
} from './sock-diag.ts'

const libc = koffi.load('libc.so.6')
const openSocket = libc.func('int socket(int domain, int type, int protocol)')
const send = libc.func('intptr_t send(int fd, const void *bytes, size_t length, int flags)')
const receive = libc.func('intptr_t recv(int fd, _Out_ void *bytes, size_t length, int flags)')
const closeFd = libc.func('int close(int fd)')

const AF_NETLINK = 16
const SOCK_RAW_CLOEXEC = 3 | 0o2000000
const NETLINK_SOCK_DIAG = 4
const MSG_DONTWAIT = 0x40
/** The kernel fills datagrams of a dump up to 32 KB. */
const DATAGRAM_BYTES = 65_536
/** Datagrams of one dump: a million sockets. Past this something is wrong. */
const MAX_DATAGRAMS = 65_536
const ENOENT = 2
const ESTALE = 116

/** The part of the kernel that knows sockets; a fake of it stands in for tests. */
export interface Sockets {
  /** Undefined = gone, or another connection under the same name. */
  look(name: SocketName): DiagSocket | undefined
  /** Resets the connection and wakes its owner with an error. False = it was gone already. */
  destroy(name: SocketName): boolean
  list(states: number): DiagSocket[]
}

export class NetlinkSockets implements Sockets {
  private readonly fd: number
  private readonly buffer = Buffer.alloc(DATAGRAM_BYTES)

  constructor() {
    this.fd = openSocket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_SOCK_DIAG) as number
    if (this.fd < 0) throw new BpfError('socket(NETLINK_SOCK_DIAG)', koffi.errno())
  }

  look(name: SocketName): DiagSocket | undefined {
    this.ask(queryRequest(name))
    for (const message of this.answer('SOCK_DIAG_BY_FAMILY')) {
      if (message.type !== NLMSG_ERROR) return decodeSocket(message)
      this.gone('SOCK_DIAG_BY_FAMILY', errnoOf(message))
    }
    return undefined
  }

  destroy(name: SocketName): boolean {
    this.ask(destroyRequest(name))
    for (const message of this.answer('SOCK_DESTROY'))
      if (message.type === NLMSG_ERROR) return !this.gone('SOCK_DESTROY', errnoOf(message))
    return false
  }

  list(states: number): DiagSocket[] {
    return [...this.dump(AF_INET, states), ...this.dump(AF_INET6, states)]
  }

  close(): void {
    closeFd(this.fd)
  }

  private dump(family: number, states: number): DiagSocket[] {
    const found: DiagSocket[] = []
    this.ask(dumpRequest(family, states))
    for (let i = 0; i < MAX_DATAGRAMS; i++)
      for (const message of this.answer('dump of sockets')) {
        if (message.type === NLMSG_DONE) return found
        if (message.type === NLMSG_ERROR) throw new BpfError('dump of sockets', errnoOf(message))
        const socket = decodeSocket(message)
        if (socket) found.push(socket)
      }
    return found
  }

  private ask(request: Buffer): void {
    if ((send(this.fd, request, request.length, 0) as number) < 0)
      throw new BpfError('send(NETLINK_SOCK_DIAG)', koffi.errno())
  }

  private answer(call: string) {
    const length = Number(receive(this.fd, this.buffer, this.buffer.length, MSG_DONTWAIT))
    if (length < 0) throw new BpfError(`${call}: recv`, koffi.errno())
    return messages(this.buffer.subarray(0, length))
  }

  /** True = no such socket. Throws on every other error. */
  private gone(call: string, errno: number): boolean {
    if (errno === 0) return false
    if (errno === ENOENT || errno === ESTALE) return true
    throw new BpfError(call, errno)
  }
}
