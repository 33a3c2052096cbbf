/** Clients as the kernel knows them: who is behind an accepted connection, and what it called. */
import { ClientLayout, Phase, RequestLayout, ServiceLayout } from '../../../bpf/abi/heddle.gen.ts'
import { BpfMap, u64 } from '../../adapters/libbpf.ts'
import type { MessageRest } from '../../../pipelines/protocols/http1.ts'
import type { Pins } from '../../adapters/pins.ts'

/** An address and a port, in host order; the address as 16 bytes in network order. */
export type SocketAddress = { address: Uint8Array; port: number }

export type KernelClient = {
  cookie: bigint
  /** The number of the service, and what the application asked for. */
  service: number
  called: SocketAddress
  /** 0 = none of the node's workloads. */
  identity: number
}

const { fields } = ClientLayout

export class KernelClients {
  private readonly names: BpfMap
  private readonly clients: BpfMap

  constructor(pins: Pins) {
    this.names = BpfMap.pinned(pins.map('client_names'))
    this.clients = BpfMap.pinned(pins.map('clients'))
  }

  /** `name`: the client's own end. Undefined = no workload's connection to a service. */
  find(name: SocketAddress): KernelClient | undefined {
    const cookie = this.names.lookup(serviceKey(name), 8)?.readBigUInt64LE()
    const value = cookie === undefined ? undefined : this.clients.lookup(u64(cookie), ClientLayout.bytes)
    if (cookie === undefined || value === undefined) return undefined
    return {
      cookie,
      service: value.readUInt32LE(fields.service.at),
      called: {
        address: Uint8Array.from(value.subarray(fields.address.at, fields.address.at + fields.address.bytes)),
        port: value.readUInt16LE(fields.port.at),
      },
      identity: value.readUInt32LE(fields.identity.at),
    }
  }

  /** Is it a client's, still? */
  has(cookie: bigint): boolean {
    return this.clients.lookup(u64(cookie), ClientLayout.bytes) !== undefined
  }

  /**
   * Where in a request's body the kernel left it, and the index of the upstream that has its beginning. Undefined
   * = between a chunk and the next, or behind what may not go on: from there nobody can read.
   */
  bodyOf(cookie: bigint): { rest: MessageRest; upstream: number } | undefined {
    const value = this.clients.lookup(u64(cookie), ClientLayout.bytes)
    const upstream = value?.readUInt32LE(fields.upstream.at) ?? 0
    if (value === undefined || upstream === 0) return undefined
    const request = fields.request.at
    const phase = value.readUInt8(request + RequestLayout.fields.phase.at)
    const chunk = phase === Phase.CHUNK_DATA
    if (!chunk && phase !== Phase.BODY) return undefined
    const remaining = Number(value.readBigUInt64LE(request + RequestLayout.fields.remaining.at))
    return { rest: { framing: chunk ? 'chunk' : 'length', remaining }, upstream: upstream - 1 }
  }

  close(): void {
    this.names.close()
    this.clients.close()
  }
}

/** Key of struct heddle_service. */
function serviceKey({ address, port }: SocketAddress): Buffer {
  const key = Buffer.alloc(ServiceLayout.bytes)
  key.set(address, ServiceLayout.fields.address.at)
  key.writeUInt16LE(port, ServiceLayout.fields.port.at)
  return key
}
