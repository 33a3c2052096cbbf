/**
 * How the relay's connection to an endpoint becomes one that the kernel's programs hand requests to.
 * On this node the server's end is enrolled when it is born, by the name that is announced before the
 * SYN; to another node the relay's own socket is put where the programs find it.
 */
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import koffi from 'koffi'
import { Relayed } from '../../../bpf/abi/heddle.gen.ts'
import { addressBytes, addressText } from '../../adapters/address-bytes.ts'
import { BpfError } from '../../adapters/bpf-error.ts'
import { BpfMap, u32, u64 } from '../../adapters/libbpf.ts'
import type { DispatcherPins, Pins } from '../../adapters/pins.ts'
import { boundDescriptor } from '../bound-socket.ts'
import { type Flow, flowKey } from '../steering.ts'
import type { KernelAsk } from './kernel-ask.ts'
import type { SocketAddress } from './kernel-clients.ts'
import type { Target } from './ports.ts'
import { ReusingSocket } from './reusing-socket.ts'
import { WIRE_OPTIONS } from './wire.ts'

const libc = koffi.load('libc.so.6')
const getsockopt = libc.func(
  'int getsockopt(int fd, int level, int option, _Out_ void *value, _Inout_ uint32_t *length)',
)
/** include/uapi/asm-generic/socket.h */
const SOL_SOCKET = 1
const SO_COOKIE = 57

/** `source`: the address to call another node from. Its node judges by it. */
export type Place = { at: SocketAddress; local: boolean; source: Uint8Array | undefined }

export class KernelConnections {
  private readonly ask: KernelAsk
  private readonly relayed: BpfMap
  private readonly sockets: BpfMap
  private readonly remotes: BpfMap
  private readonly indexes: BpfMap
  private closed = false

  constructor(pins: Pins, dispatcher: DispatcherPins, ask: KernelAsk) {
    this.ask = ask
    this.relayed = BpfMap.pinned(pins.map('relayed'))
    this.sockets = BpfMap.pinned(pins.map('sockets'))
    this.remotes = BpfMap.pinned(dispatcher.remotes)
    this.indexes = BpfMap.pinned(pins.map('remote_upstreams'))
  }

  /** Connecting, for upstream `index`; it is handed out once it is there. */
  open(index: number, place: Place): Socket {
    return place.local ? this.here(index, place.at) : this.elsewhere(index, place)
  }

  /**
   * For the slow path. To a workload of this node it is announced as judged, so that neither its packets nor
   * its bytes are judged again, by the relay's address; another node is called from the workload's own.
   */
  openJudged(target: Target, connected: () => void): ReusingSocket {
    const { address: host, port, local, source } = target
    if (local !== true) return opened(new ReusingSocket(), { host, port, source, connected })
    const address = addressBytes(host)
    const { fd, flow } = this.announced({ address, port }, Relayed.RELAYED_JUDGED)
    const socket = new ReusingSocket({ fd, readable: true, writable: true })
    socket.once('close', () => this.withdraw(flow))
    return opened(socket, { host, port, source: undefined, connected })
  }

  /** What closes later than this is forgotten by the next relay, which begins with none. */
  close(): void {
    this.closed = true
    for (const map of [this.relayed, this.sockets, this.remotes, this.indexes]) map.close()
  }

  private withdraw(flow: Flow): void {
    if (!this.closed) this.relayed.delete(flowKey(flow))
  }

  private here(index: number, { address, port }: SocketAddress): Socket {
    const { fd, flow } = this.announced({ address, port }, Relayed.RELAYED_UPSTREAM | index)
    const socket = new Socket({ ...WIRE_OPTIONS, fd })
    socket.once('close', () => this.withdraw(flow))
    return socket.connect({ host: addressText(address), port })
  }

  /** A descriptor for a connection to this node's workload, which the kernel knows before its SYN. */
  private announced({ address, port }: SocketAddress, how: number): { fd: number; flow: Flow } {
    const { fd, port: own } = boundDescriptor(address)
    const flow: Flow = { remote: address, local: address, remotePort: own, localPort: port }
    try {
      this.relayed.update(flowKey(flow), u32(how))
    } catch (error) {
      closeSync(fd)
      throw error
    }
    return { fd, flow }
  }

  private elsewhere(index: number, { at, source }: Place): Socket {
    const { fd } = boundDescriptor(source ?? unspecified(at.address))
    const socket = new Socket({ ...WIRE_OPTIONS, fd })
    socket.once('connect', () => {
      try {
        this.enrol(socket, index)
      } catch (error) {
        socket.destroy(error as Error)
      }
    })
    return socket.connect({ host: addressText(at.address), port: at.port })
  }

  /** Programs that read it first, then the map that leads to it, then the pool. */
  private enrol(socket: Socket, index: number): void {
    const fd = (socket as unknown as { _handle: { fd: number } })._handle.fd
    const cookie = cookieOf(fd)
    this.indexes.update(u64(cookie), u32(index))
    socket.once('close', () => {
      if (!this.closed) this.indexes.delete(u64(cookie))
    })
    this.remotes.update(u64(cookie), u64(fd))
    this.sockets.update(u64(cookie), u64(fd))
    this.ask.opened(index, cookie)
  }
}

type Call = { host: string; port: number; source: string | undefined; connected: () => void }

function opened(socket: ReusingSocket, { host, port, source, connected }: Call): ReusingSocket {
  socket.connect({ host, port, noDelay: true, ...(source && { localAddress: source }) }, connected)
  return socket
}

function cookieOf(fd: number): bigint {
  const value = Buffer.alloc(8)
  if ((getsockopt(fd, SOL_SOCKET, SO_COOKIE, value, u32(8)) as number) < 0)
    throw new BpfError('getsockopt(SO_COOKIE)', koffi.errno())
  return value.readBigUInt64LE()
}

/** Any address of this node, of the same family. */
function unspecified(address: Uint8Array): Uint8Array {
  const mapped = address.subarray(0, 10).every((byte) => byte === 0) && address[10] === 0xff
  return Uint8Array.from({ length: 16 }, (_, i) => (mapped && (i === 10 || i === 11) ? 0xff : 0))
}
