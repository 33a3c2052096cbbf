/** The maps of the client side in the node's real kernel. Every store is one system call. */
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  ClientLayout,
  BreakerLayout,
  EndpointFlag,
  EndpointLayout,
  HealthLayout,
  Limit,
  PoolKeyLayout,
  PoolName,
  ServiceLayout,
  ServiceStateLayout,
  UpstreamLayout,
  Use,
} from '../../bpf/abi/heddle.gen.ts'
import type {
  BalanceEntry,
  CgroupIdentity,
  EndpointEntry,
  OutboundContent,
  OutboundMaps,
  OutboundReferences,
  OutboundStore,
  ServiceState,
} from '../ports.ts'
import { addressBytes, addressText } from './address-bytes.ts'
import { type BeforeAct, currentDispatcher, withMap } from './attach.ts'
import { u32, u64 } from './libbpf.ts'
import { decodeBalance, encodeBalance } from './libbpf-balances.ts'
import { servicesRouted } from './libbpf-routes.ts'
import { batches } from './map-batch.ts'
import type { LiveMap, Pins } from './pins.ts'

/** What the agent writes; where one is missing, none is written. */
const WRITTEN: LiveMap[] = [
  'service_addresses',
  'services',
  'members',
  'shares',
  'endpoints',
  'balances',
  'spots',
  'births',
  'health',
  'cgroups',
]

export function outboundMaps(pins: Pins, cgroup: string, before: BeforeAct): OutboundMaps {
  const present = () => WRITTEN.every((name) => existsSync(pins.map(name)))
  return {
    read: async () => (present() ? { ...readContent(pins), served: isServed(pins, cgroup) } : null),
    async write(store) {
      if (store.map === 'breakers' && !existsSync(pins.map('breakers'))) return // an older dispatcher
      before(`store ${store.map}`)
      for (const { map: name, entries } of encode(store))
        withMap(pins.map(name), (map) => {
          for (const [key, value] of entries)
            if (value === null) map.delete(key)
            else map.update(key, value)
        })
    },
    references: async () => references(pins),
    cgroupIds: (paths) => cgroupIds(cgroup, paths),
    async setCgroups(cgroups) {
      if (present()) writeCgroups(pins, cgroups)
    },
  }
}

/** Keys and values as one map has them; null = no such key. */
type Entries = { map: LiveMap; entries: [Buffer, Buffer | null][] }

function encode(store: OutboundStore): Entries[] {
  switch (store.map) {
    case 'endpoints':
      return [{ map: 'endpoints', entries: [[u32(store.number), encodeEndpoint(store.endpoint)]] }]
    case 'members':
    case 'spots':
      return [{ map: store.map, entries: placed(store.first, store.endpoints) }]
    case 'shares':
      return [{ map: 'shares', entries: placed(store.first, store.shares) }]
    case 'balances':
      return [{ map: 'balances', entries: [[u32(store.number), encodeBalance(store.balance)]] }]
    case 'births':
      return encodeBirth(store)
    case 'services':
      return [{ map: 'services', entries: [[u32(store.number), encodeState(store.state)]] }]
    case 'breakers':
      return [{ map: 'breakers', entries: [[u32(store.number), Buffer.alloc(BreakerLayout.bytes)]] }]
    case 'service_addresses': {
      const service = store.service === null ? null : u32(store.service)
      return [{ map: 'service_addresses', entries: [[addressKey(store), service]] }]
    }
  }
}

function placed(first: number, numbers: readonly number[]): [Buffer, Buffer][] {
  return numbers.map((number, place) => [u32(first + place), u32(number)])
}

/** The clock that programs read: CLOCK_MONOTONIC. Who never was has no health either. */
function encodeBirth({ number, at }: Extract<OutboundStore, { map: 'births' }>): Entries[] {
  const key = u32(number)
  const birth = { map: 'births' as const, entries: [[key, u64(at === null ? 0n : process.hrtime.bigint())]] }
  const health = { map: 'health' as const, entries: [[key, Buffer.alloc(HealthLayout.bytes)]] }
  return (at === null ? [health, birth] : [birth]) as Entries[]
}

function encodeEndpoint(endpoint: EndpointEntry | null): Buffer {
  const { fields, bytes } = EndpointLayout
  const value = Buffer.alloc(bytes)
  if (endpoint === null) return value
  value.set(addressBytes(endpoint.address), fields.address.at)
  value.writeUInt16LE(endpoint.port, fields.port.at)
  value.writeUInt16LE(endpoint.local ? EndpointFlag.ENDPOINT_LOCAL : 0, fields.flags.at)
  value.writeUInt32LE(endpoint.weight, fields.weight.at)
  return value
}

function encodeState({ first, count, local, zone }: ServiceState): Buffer {
  const { fields, bytes } = ServiceStateLayout
  const value = Buffer.alloc(bytes)
  value.writeUInt32LE(first, fields.first.at)
  value.writeUInt32LE(count, fields.count.at)
  value.writeUInt32LE(local, fields.local.at)
  value.writeUInt32LE(zone, fields.zone.at)
  return value
}

function addressKey({ address, port }: { address: string; port: number }): Buffer {
  const key = Buffer.alloc(ServiceLayout.bytes)
  key.set(addressBytes(address), ServiceLayout.fields.address.at)
  key.writeUInt16LE(port, ServiceLayout.fields.port.at)
  return key
}

/** The pins of a dispatcher say which maps its file has. */
function isServed(pins: Pins, cgroup: string): boolean {
  const current = currentDispatcher(pins, cgroup)
  return current !== undefined && WRITTEN.every((name) => existsSync(join(current.maps, name)))
}

function readContent(pins: Pins): Omit<OutboundContent, 'served'> {
  const services = new Map<number, ServiceState>()
  visitPlaces(pins, 'services', Limit.MAX_SERVICES, (number, value) => {
    const state = decodeState(value)
    if (state.first > 0 || state.count > 0) services.set(number, state)
  })
  const endpoints = new Map<number, EndpointEntry>()
  visitPlaces(pins, 'endpoints', Limit.MAX_ENDPOINTS, (number, value) => {
    const endpoint = decodeEndpoint(value)
    if (endpoint !== undefined) endpoints.set(number, endpoint)
  })
  const balances = new Map<number, BalanceEntry>()
  visitPlaces(pins, 'balances', Limit.MAX_SERVICES, (number, value) => {
    balances.set(number, decodeBalance(value))
  })
  const runs = [...services.values()]
  const members = readPlaces(pins, 'members', runs, Limit.MAX_MEMBERS)
  const shares = readPlaces(pins, 'shares', runs, Limit.MAX_MEMBERS)
  const spots = readPlaces(
    pins,
    'spots',
    [...balances.values()].map(({ table }) => table),
    Limit.MAX_SPOTS,
  )
  const addresses: OutboundContent['addresses'] = []
  const { bytes, fields } = ServiceLayout
  visit(
    pins,
    { name: 'service_addresses', keyBytes: bytes, limit: 2 * Limit.MAX_ADDRESSES },
    (key, value) => {
      const address = addressText(key.subarray(fields.address.at, fields.address.at + fields.address.bytes))
      addresses.push({ address, port: key.readUInt16LE(fields.port.at), service: value.readUInt32LE() })
    },
  )
  return { services, endpoints, members, shares, balances, spots, addresses }
}

/** Runs are where there was room first: behind the last one nobody reads. */
function readPlaces(
  pins: Pins,
  name: LiveMap,
  runs: readonly { first: number; count: number }[],
  room: number,
): Uint32Array {
  const numbers = new Uint32Array(room)
  const last = runs.reduce((end, { first, count }) => Math.max(end, first + count), 0)
  visitPlaces(pins, name, Math.min(last, room), (place, value) => {
    numbers[place] = value.readUInt32LE()
  })
  return numbers
}

function decodeState(value: Buffer): ServiceState {
  const { first, count, local, zone } = ServiceStateLayout.fields
  return {
    first: value.readUInt32LE(first.at),
    count: value.readUInt32LE(count.at),
    local: value.readUInt32LE(local.at),
    zone: value.readUInt32LE(zone.at),
  }
}

/** Port 0 = an empty place. */
function decodeEndpoint(value: Buffer): EndpointEntry | undefined {
  const { address, port, flags, weight } = EndpointLayout.fields
  const number = value.readUInt16LE(port.at)
  if (number === 0) return undefined
  return {
    address: addressText(value.subarray(address.at, address.at + address.bytes)),
    port: number,
    local: (value.readUInt16LE(flags.at) & EndpointFlag.ENDPOINT_LOCAL) !== 0,
    weight: value.readUInt32LE(weight.at),
  }
}

type Whole = { name: LiveMap; keyBytes: number; limit: number }

/** Key and value are valid in `see` alone. A map that is not there is empty. */
function visit(
  pins: Pins,
  { name, keyBytes, limit }: Whole,
  see: (key: Buffer, value: Buffer) => void,
): void {
  if (!existsSync(pins.map(name))) return
  withMap(pins.map(name), (map) => {
    for (const { count, keys, values, valueBytes } of batches(map, keyBytes, limit))
      for (let i = 0; i < count; i++)
        see(
          keys.subarray(i * keyBytes, (i + 1) * keyBytes),
          values.subarray(i * valueBytes, (i + 1) * valueBytes),
        )
  })
}

/** The same of an array, without the places that are all zeroes: most of them, and quickly told. */
function visitPlaces(
  pins: Pins,
  name: LiveMap,
  limit: number,
  see: (place: number, value: Buffer) => void,
): void {
  if (!existsSync(pins.map(name))) return
  withMap(pins.map(name), (map) => {
    for (const { count, keys, values, valueBytes } of batches(map, 4, limit)) {
      const bytes = values.subarray(0, count * valueBytes)
      if (bytes.equals(Buffer.alloc(bytes.length))) continue
      const nothing = Buffer.alloc(valueBytes)
      for (let i = 0; i < count; i++) {
        const value = bytes.subarray(i * valueBytes, (i + 1) * valueBytes)
        if (!value.equals(nothing)) see(keys.readUInt32LE(4 * i), value)
      }
    }
  })
}

function references(pins: Pins): OutboundReferences {
  const services = new Set<number>()
  visit(pins, { name: 'clients', keyBytes: 8, limit: 2 * Limit.MAX_CLIENTS }, (_cookie, client) => {
    services.add(client.readUInt32LE(ClientLayout.fields.service.at))
  })
  for (let slot = 0; slot < Limit.SLOTS; slot++)
    for (const service of servicesRouted(pins, slot)) services.add(service)
  const endpoints = new Set<number>()
  const { bytes, fields } = PoolKeyLayout
  visit(pins, { name: 'pools', keyBytes: bytes, limit: 2 * Limit.MAX_POOLS }, (pool) => {
    endpoints.add(pool.readUInt32LE(fields.endpoint.at))
  })
  const { use, endpoint } = UpstreamLayout.fields
  visitPlaces(pins, 'upstreams', Limit.MAX_UPSTREAMS, (_index, upstream) => {
    if (upstream.readUInt32LE(use.at) !== Use.USE_NONE) endpoints.add(upstream.readUInt32LE(endpoint.at))
  })
  endpoints.delete(PoolName.POOL_DIRECT)
  return { services, endpoints }
}

/** The inode of a cgroup's directory is its id (kernfs: one number for both). */
async function cgroupIds(cgroup: string, paths: readonly string[]): Promise<Map<string, bigint>> {
  const ids = new Map<string, bigint>()
  for (const path of paths) {
    const found = await stat(join(cgroup, path), { bigint: true }).catch(() => undefined)
    if (found?.isDirectory()) ids.set(path, found.ino)
  }
  return ids
}

/** What is gone goes first: a cgroup's id may come back as another workload's. */
function writeCgroups(pins: Pins, cgroups: readonly CgroupIdentity[]): void {
  const wanted = new Map(cgroups.map(({ id, identity }) => [id, identity]))
  withMap(pins.map('cgroups'), (map) => {
    for (const key of [...map.keys(8, Limit.MAX_IDENTITIES)])
      if (!wanted.has(key.readBigUInt64LE())) map.delete(key)
    for (const [id, identity] of wanted) map.update(u64(id), u32(identity))
  })
}
