/** The maps of the client side in memory: plain data, one store at a time. */
import type {
  BalanceEntry,
  EndpointEntry,
  OutboundContent,
  OutboundMaps,
  OutboundStore,
  ServiceState,
} from '../../agent/ports.ts'
import { addressKey } from '../../pipelines/services/nearest.ts'
import { Limit } from '../../bpf/abi/heddle.gen.ts'
import type { MemoryKernel } from './memory-kernel.ts'

/** By number, and addresses by address and port. Null instead of it = a dispatcher older than services. */
export type MemoryOutbound = {
  served: boolean
  addresses: Record<string, { address: string; port: number; service: number }>
  services: Record<string, ServiceState>
  members: Record<string, number>
  shares: Record<string, number>
  balances: Record<string, BalanceEntry>
  spots: Record<string, number>
  births: Record<string, 'now'>
  endpoints: Record<string, EndpointEntry>
  /** Cgroup id -> identity. */
  cgroups: Record<string, number>
}

export function emptyOutbound(): MemoryOutbound {
  return {
    served: true,
    addresses: {},
    services: {},
    members: {},
    shares: {},
    balances: {},
    spots: {},
    births: {},
    endpoints: {},
    cgroups: {},
  }
}

/** `act` surrounds each store. */
export function memoryOutbound(
  kernel: () => MemoryKernel,
  act: (call: string, change: () => void) => Promise<void>,
): OutboundMaps {
  return {
    read: async () => {
      const { outbound } = kernel().content
      return outbound && contentOf(outbound)
    },
    write: (store) =>
      act(`store ${store.map}`, () => {
        const { outbound } = kernel().content
        if (outbound === null) throw new Error(`${store.map}: no such map`)
        apply(outbound, store)
      }),
    references: async () => {
      const { references, content } = kernel()
      const services = new Set(references.services)
      for (const { routes } of Object.values(content.slots)) {
        for (const { service } of routes?.choices ?? []) services.add(service)
        for (const number of routes?.backends ?? []) if (number !== null) services.add(number)
      }
      return { services, endpoints: new Set(references.endpoints) }
    },
    cgroupIds: async (paths) => new Map([...kernel().cgroups].filter(([path]) => paths.includes(path))),
    setCgroups: (cgroups) =>
      act('setCgroups', () => {
        const { outbound } = kernel().content
        if (outbound !== null)
          outbound.cgroups = Object.fromEntries(cgroups.map(({ id, identity }) => [`${id}`, identity]))
      }),
  }
}

/** As the port tells it. */
export function contentOf(outbound: MemoryOutbound): OutboundContent {
  const numbered = <T>(held: Record<string, T>) =>
    new Map(Object.entries(held).map(([number, value]) => [Number(number), value]))
  const places = (held: Record<string, number>, room: number) => {
    const all = new Uint32Array(room)
    for (const [place, number] of Object.entries(held)) all[Number(place)] = number
    return all
  }
  return {
    served: outbound.served,
    addresses: Object.values(outbound.addresses),
    services: numbered(outbound.services),
    members: places(outbound.members, Limit.MAX_MEMBERS),
    shares: places(outbound.shares, Limit.MAX_MEMBERS),
    balances: numbered(outbound.balances),
    spots: places(outbound.spots, Limit.MAX_SPOTS),
    endpoints: numbered(outbound.endpoints),
  }
}

export function apply(outbound: MemoryOutbound, store: OutboundStore): void {
  switch (store.map) {
    case 'endpoints':
      if (store.endpoint === null) delete outbound.endpoints[store.number]
      else outbound.endpoints[store.number] = store.endpoint
      return
    case 'members':
      for (const [place, number] of store.endpoints.entries()) outbound.members[store.first + place] = number
      return
    case 'shares':
      for (const [place, share] of store.shares.entries()) outbound.shares[store.first + place] = share
      return
    case 'balances':
      if (store.balance === null) delete outbound.balances[store.number]
      else outbound.balances[store.number] = store.balance
      return
    case 'spots':
      for (const [place, number] of store.endpoints.entries()) outbound.spots[store.first + place] = number
      return
    case 'births':
      if (store.at === null) delete outbound.births[store.number]
      else outbound.births[store.number] = store.at
      return
    case 'services':
      if (store.state.first === 0 && store.state.count === 0) delete outbound.services[store.number]
      else outbound.services[store.number] = store.state
      return
    case 'breakers':
      return
    case 'service_addresses': {
      const { address, port, service } = store
      const key = `${addressKey(address)}:${port}`
      if (service === null) delete outbound.addresses[key]
      else outbound.addresses[key] = { address, port, service }
    }
  }
}
