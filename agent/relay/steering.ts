/**
 * Mode relay's kernel side: which ports are steered to the relay's listener,
 * which connections are the relay's own, and the modes of all addresses. All of
 * it is written here only; it fails closed when the relay is gone.
 */
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'
import {
  AddressLayout,
  FlowLayout,
  Limit,
  Mode as KernelMode,
  Relayed,
  ServiceLayout,
} from '../../bpf/abi/heddle.gen.ts'
import { replaceInLink } from '../adapters/bpf-attach.ts'
import { BpfError } from '../adapters/bpf-error.ts'
import { BpfMap, u32, u64, withPinnedProgram } from '../adapters/libbpf.ts'
import type { DispatcherPins, Pins } from '../adapters/pins.ts'
import type { Mode } from '../modes.ts'

const libbpf = koffi.load('libbpf.so.1')
const libc = koffi.load('libc.so.6')
const linkCreate = libbpf.func('int bpf_link_create(int program, int target, int type, void *options)')
const closeFd = libc.func('int close(int fd)')

/** enum bpf_attach_type. */
const BPF_SK_LOOKUP = 36

const MODES = {
  kernel: KernelMode.MODE_KERNEL,
  relay: KernelMode.MODE_RELAY,
  refuse: KernelMode.MODE_REFUSE,
} as const satisfies Record<Mode, number>

/** A connection of the relay's own, from its side `remote` to the workload's `local`. */
export type Flow = { remote: Uint8Array; local: Uint8Array; remotePort: number; localPort: number }
export type Service = { address: Uint8Array; port: number }

export class Steering {
  private readonly modes: BpfMap
  private readonly steered: BpfMap
  private readonly relayed: BpfMap
  private readonly listener: BpfMap
  private link: number | undefined
  private steeredBy: string | undefined

  constructor(pins: Pins) {
    this.modes = BpfMap.pinned(pins.map('modes'))
    this.steered = BpfMap.pinned(pins.map('steered'))
    this.relayed = BpfMap.pinned(pins.map('relayed'))
    this.listener = BpfMap.pinned(pins.map('listener'))
    // Names that a killed relay left could be taken by anybody on this node.
    replaceKeys(this.relayed, FlowLayout.bytes, new Map())
  }

  /** New connections to steered ports come to this listening socket from now on. */
  attach(listenerFd: number, dispatcher: DispatcherPins): void {
    if (this.link !== undefined) return
    this.listener.update(u32(0), u64(listenerFd))
    const namespace = openSync('/proc/self/ns/net', 'r')
    try {
      const link = withPinnedProgram(
        dispatcher.program('steer'),
        (program) => linkCreate(program.readInt32LE(), namespace, BPF_SK_LOOKUP, null) as number,
      )
      if (link < 0) throw new BpfError('bpf_link_create(sk_lookup)', -link)
      this.link = link
      this.steeredBy = dispatcher.digest
    } finally {
      closeSync(namespace)
    }
  }

  /** Another dispatcher enrols by now: its program takes over, in one step. */
  follow(dispatcher: DispatcherPins): void {
    if (this.link === undefined || this.steeredBy === dispatcher.digest) return
    replaceInLink(dispatcher.program('steer'), this.link)
    this.steeredBy = dispatcher.digest
  }

  /** Modes first: a port is never steered, nor left, while its address is open to all. */
  set(modes: ReadonlyMap<string, Mode>, services: readonly Service[]): void {
    const byKey = new Map<string, Buffer>()
    for (const [address, mode] of modes) {
      const key = Buffer.alloc(AddressLayout.bytes)
      key.writeUInt32LE(128, 0)
      key.set(Buffer.from(address, 'hex'), AddressLayout.fields.bytes.at)
      if (mode !== 'kernel') byKey.set(key.toString('hex'), u32(MODES[mode]))
    }
    replaceKeys(this.modes, AddressLayout.bytes, byKey)
    const ports = services.map((service) => [serviceKey(service).toString('hex'), u32(1)] as const)
    replaceKeys(this.steered, ServiceLayout.bytes, new Map(ports))
  }

  isSteered(service: Service): boolean {
    return this.steered.lookup(serviceKey(service), 4) !== undefined
  }

  announce(flow: Flow): void {
    this.relayed.update(flowKey(flow), u32(Relayed.RELAYED_JUDGED))
  }

  isOwn(flow: Flow): boolean {
    return this.relayed.lookup(flowKey(flow), 4) !== undefined
  }

  withdraw(flow: Flow): void {
    this.relayed.delete(flowKey(flow))
  }

  close(): void {
    if (this.link !== undefined) closeFd(this.link)
    for (const map of [this.modes, this.steered, this.relayed, this.listener]) map.close()
  }
}

function serviceKey({ address, port }: Service): Buffer {
  const key = Buffer.alloc(ServiceLayout.bytes)
  key.set(address, ServiceLayout.fields.address.at)
  key.writeUInt16LE(port, ServiceLayout.fields.port.at)
  return key
}

export function flowKey(flow: Flow): Buffer {
  const key = Buffer.alloc(FlowLayout.bytes)
  key.set(flow.remote, FlowLayout.fields.remote.at)
  key.set(flow.local, FlowLayout.fields.local.at)
  key.writeUInt16BE(flow.remotePort, FlowLayout.fields.remote_port.at)
  key.writeUInt16BE(flow.localPort, FlowLayout.fields.local_port.at)
  return key
}

function replaceKeys(map: BpfMap, keyBytes: number, wanted: ReadonlyMap<string, Buffer>): void {
  for (const [key, value] of wanted) map.update(Buffer.from(key, 'hex'), value)
  for (const key of [...map.keys(keyBytes, Limit.MAX_ADDRESSES)])
    if (!wanted.has(key.toString('hex'))) map.delete(key)
}
