/**
 * What the kernel's programs read to route a request, read by the relay: the frozen tables of the
 * generation that is active, which set of routes is a client's, and the endpoints of services.
 */
import { existsSync } from 'node:fs'
import {
  EndpointFlag,
  EndpointLayout,
  Limit,
  RouteChoiceLayout,
  RouteKeyLayout,
  ServiceLayout,
  ServiceStateLayout,
} from '../../../bpf/abi/heddle.gen.ts'
import { addressText } from '../../adapters/address-bytes.ts'
import { BpfMap, u32 } from '../../adapters/libbpf.ts'
import type { Pins } from '../../adapters/pins.ts'
import type { SocketAddress } from './kernel-clients.ts'

/** A service's endpoints, nearest first: how many are on this node, and how many on it or in its zone. */
export type ServiceRun = { endpoints: KernelEndpoint[]; local: number; zone: number }
export type KernelEndpoint = { number: number; at: SocketAddress; local: boolean; weight: number }

export class KernelServices {
  private readonly pins: Pins
  private readonly services: BpfMap
  private readonly members: BpfMap
  private readonly endpoints: BpfMap

  constructor(pins: Pins) {
    this.pins = pins
    this.services = BpfMap.pinned(pins.map('services'))
    this.members = BpfMap.pinned(pins.map('members'))
    this.endpoints = BpfMap.pinned(pins.map('endpoints'))
  }

  run(service: number): ServiceRun {
    const state = this.services.lookup(u32(service), ServiceStateLayout.bytes)
    if (state === undefined) return { endpoints: [], local: 0, zone: 0 }
    const { first, count, local, zone } = ServiceStateLayout.fields
    const from = state.readUInt32LE(first.at)
    const length = state.readUInt32LE(count.at)
    const endpoints = Array.from({ length }, (_, i) => this.member(from + i))
    return { endpoints, local: state.readUInt32LE(local.at), zone: state.readUInt32LE(zone.at) }
  }

  /** By number of the service, one that it is called by. */
  addresses(): Map<number, string> {
    const { address, port } = ServiceLayout.fields
    const map = BpfMap.pinned(this.pins.map('service_addresses'))
    const found = new Map<number, string>()
    for (const key of [...map.keys(ServiceLayout.bytes, Limit.MAX_ADDRESSES)]) {
      const number = map.lookup(key, 4)?.readUInt32LE()
      const text = addressText(key.subarray(address.at, address.at + address.bytes))
      if (number !== undefined) found.set(number, `${text}:${key.readUInt16LE(port.at)}`)
    }
    map.close()
    return found
  }

  close(): void {
    for (const map of [this.services, this.members, this.endpoints]) map.close()
  }

  /** Of a place that names nobody, one of weight 0. */
  private member(place: number): KernelEndpoint {
    const number = this.members.lookup(u32(place), 4)?.readUInt32LE() ?? 0
    const value =
      this.endpoints.lookup(u32(number), EndpointLayout.bytes) ?? Buffer.alloc(EndpointLayout.bytes)
    const { address, port, flags, weight } = EndpointLayout.fields
    return {
      number,
      at: {
        address: Uint8Array.from(value.subarray(address.at, address.at + address.bytes)),
        port: value.readUInt16LE(port.at),
      },
      local: (value.readUInt16LE(flags.at) & EndpointFlag.ENDPOINT_LOCAL) !== 0,
      weight: value.readUInt32LE(weight.at),
    }
  }
}

/** Maps of one generation. */
export class RouteMaps {
  private readonly choices: BpfMap
  private readonly backends: BpfMap
  private readonly breakers: BpfMap | undefined

  constructor(pins: Pins, slot: number) {
    const breakers = pins.slotMap(slot, 'breaker_rules')
    // An older artifact has none.
    this.breakers = existsSync(breakers) ? BpfMap.pinned(breakers) : undefined
    this.choices = BpfMap.pinned(pins.slotMap(slot, 'route_choices'))
    this.backends = BpfMap.pinned(pins.slotMap(slot, 'backend_services'))
  }

  /** Number of the set of routes that a client's requests are subject to; undefined = none. */
  setFor(service: number, identity: number): number | undefined {
    const common = this.choice(service, 0)
    const own = common?.own && identity !== 0 ? this.choice(service, identity) : undefined
    const set = (own ?? common)?.set ?? 0
    return set === 0 ? undefined : set - 1
  }

  /** Live number of a service that the tables name; undefined = this node does not know it. */
  live(number: number): number | undefined {
    const value = this.backends.lookup(u32(number), 4)?.readUInt32LE() ?? 0
    return value === 0 ? undefined : value - 1
  }

  /** Number of the rule in the tables for a service's breaker; undefined = it has none. */
  breaker(service: number): number | undefined {
    const value = this.breakers?.lookup(u32(service), 4)?.readUInt32LE() ?? 0
    return value === 0 ? undefined : value - 1
  }

  close(): void {
    this.breakers?.close()
    this.choices.close()
    this.backends.close()
  }

  private choice(service: number, identity: number): { set: number; own: boolean } | undefined {
    const key = Buffer.alloc(RouteKeyLayout.bytes)
    key.writeUInt32LE(service, RouteKeyLayout.fields.service.at)
    key.writeUInt32LE(identity, RouteKeyLayout.fields.identity.at)
    const value = this.choices.lookup(key, RouteChoiceLayout.bytes)
    return (
      value && {
        set: value.readUInt32LE(RouteChoiceLayout.fields.set.at),
        own: value.readUInt32LE(RouteChoiceLayout.fields.own.at) !== 0,
      }
    )
  }
}
