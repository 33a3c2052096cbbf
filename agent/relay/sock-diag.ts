/**
 * Messages of NETLINK_SOCK_DIAG (linux/inet_diag.h, linux/sock_diag.h): asking
 * for a TCP socket by name and cookie, listing sockets, destroying one. Bytes
 * only; agent/relay/netlink.ts carries them. Host byte order is little endian
 * on every machine that Heddle supports.
 */
import { isMapped4 } from '../adapters/address-bytes.ts'
import type { SocketName } from '../adapters/connection.ts'

const SOCK_DIAG_BY_FAMILY = 20
const SOCK_DESTROY = 21
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
const NLM_F_REQUEST = 1
const NLM_F_ACK = 4
const NLM_F_DUMP = 0x300

const HEADER_BYTES = 16
const REQUEST_BYTES = 56
const MESSAGE_BYTES = 72
const ID_AT_REQUEST = 8
const ID_AT_MESSAGE = 4

export const AF_INET = 2
export const AF_INET6 = 10
const IPPROTO_TCP = 6

/** TCP states as bits (net/tcp_states.h). */
export const STATE_LISTEN = 1 << 10
/** ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT: bytes may still move. */
export const STATES_CONNECTED = (1 << 1) | (1 << 4) | (1 << 5) | (1 << 8)

const INET_DIAG_INFO = 2
const INET_DIAG_CGROUP_ID = 21
/** struct tcp_info: milliseconds since data was last sent. */
const LAST_DATA_SENT_AT = 44

export type DiagSocket = SocketName & {
  state: number
  inode: number
  /** Bytes written and not acknowledged yet. */
  unacknowledged: number
  /** Milliseconds since data was last sent; 0 when not asked for. */
  sinceSentMs: number
  /** Inode of its cgroup's directory; 0 = the kernel doesn't say. */
  cgroup: bigint
}

/** One netlink message of an answer. */
export type NetlinkMessage = { type: number; body: Buffer }

export function queryRequest(name: SocketName): Buffer {
  return request(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, name, 1 << (INET_DIAG_INFO - 1))
}

export function destroyRequest(name: SocketName): Buffer {
  return request(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, name, 0)
}

/** Lists all sockets of the namespace in the given states. */
export function dumpRequest(family: number, states: number): Buffer {
  const bytes = envelope(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP)
  bytes.writeUInt8(family, HEADER_BYTES)
  bytes.writeUInt8(IPPROTO_TCP, HEADER_BYTES + 1)
  bytes.writeUInt32LE(states >>> 0, HEADER_BYTES + 4)
  return bytes
}

function envelope(type: number, flags: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + REQUEST_BYTES)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt16LE(type, 4)
  bytes.writeUInt16LE(flags, 6)
  return bytes
}

function request(type: number, flags: number, name: SocketName, extensions: number): Buffer {
  const bytes = envelope(type, flags)
  const ip4 = isMapped4(name.local)
  bytes.writeUInt8(ip4 ? AF_INET : AF_INET6, HEADER_BYTES)
  bytes.writeUInt8(IPPROTO_TCP, HEADER_BYTES + 1)
  bytes.writeUInt8(extensions, HEADER_BYTES + 2)
  bytes.writeUInt32LE(0xffffffff, HEADER_BYTES + 4)
  const id = HEADER_BYTES + ID_AT_REQUEST
  bytes.writeUInt16BE(name.localPort, id)
  bytes.writeUInt16BE(name.remotePort, id + 2)
  bytes.set(ip4 ? name.local.subarray(12) : name.local, id + 4)
  bytes.set(ip4 ? name.remote.subarray(12) : name.remote, id + 20)
  bytes.writeBigUInt64LE(name.cookie, id + 40)
  return bytes
}

/** Messages of one datagram; stops at the first that doesn't fit. */
export function* messages(datagram: Buffer): Generator<NetlinkMessage> {
  for (let at = 0; at + HEADER_BYTES <= datagram.length; ) {
    const length = datagram.readUInt32LE(at)
    if (length < HEADER_BYTES || at + length > datagram.length) return
    yield { type: datagram.readUInt16LE(at + 4), body: datagram.subarray(at + HEADER_BYTES, at + length) }
    at += (length + 3) & ~3
  }
}

/** The errno of an NLMSG_ERROR (0 = acknowledged), as a positive number. */
export function errnoOf(message: NetlinkMessage): number {
  return message.body.length < 4 ? 0 : Math.abs(message.body.readInt32LE(0))
}

/** Undefined = not a struct inet_diag_msg of TCP over IP. */
export function decodeSocket({ type, body }: NetlinkMessage): DiagSocket | undefined {
  if (type !== SOCK_DIAG_BY_FAMILY || body.length < MESSAGE_BYTES) return undefined
  const family = body.readUInt8(0)
  if (family !== AF_INET && family !== AF_INET6) return undefined
  const id = ID_AT_MESSAGE
  const socket: DiagSocket = {
    state: body.readUInt8(1),
    localPort: body.readUInt16BE(id),
    remotePort: body.readUInt16BE(id + 2),
    local: address(family, body.subarray(id + 4, id + 20)),
    remote: address(family, body.subarray(id + 20, id + 36)),
    cookie: body.readBigUInt64LE(id + 40),
    unacknowledged: body.readUInt32LE(60),
    inode: body.readUInt32LE(68),
    sinceSentMs: 0,
    cgroup: 0n,
  }
  for (const [kind, value] of attributes(body.subarray(MESSAGE_BYTES))) {
    if (kind === INET_DIAG_CGROUP_ID && value.length >= 8) socket.cgroup = value.readBigUInt64LE(0)
    if (kind === INET_DIAG_INFO && value.length >= LAST_DATA_SENT_AT + 4)
      socket.sinceSentMs = value.readUInt32LE(LAST_DATA_SENT_AT)
  }
  return socket
}

function* attributes(bytes: Buffer): Generator<[number, Buffer]> {
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (length < 4 || at + length > bytes.length) return
    yield [bytes.readUInt16LE(at + 2), bytes.subarray(at + 4, at + length)]
    at += (length + 3) & ~3
  }
}

function address(family: number, field: Buffer): Uint8Array {
  if (family === AF_INET6) return Uint8Array.from(field)
  const mapped = new Uint8Array(16).fill(0xff, 10, 12)
  mapped.set(field.subarray(0, 4), 12)
  return mapped
}
