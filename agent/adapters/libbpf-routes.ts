/** The maps of routes that belong to one generation, in the node's real kernel. */
import { existsSync } from 'node:fs'
import { Limit, RouteChoiceLayout, RouteKeyLayout } from '../../bpf/abi/heddle.gen.ts'
import type { RouteChoice, RouteContent } from '../ports.ts'
import { withMap } from './attach.ts'
import { type BpfMap, u32 } from './libbpf.ts'
import { batches } from './map-batch.ts'
import type { Pins } from './pins.ts'

const MAPS = { choices: 'route_choices', backends: 'backend_services' } as const
/** An older artifact has none. */
const BREAKERS = 'breaker_rules'

/** A key of `route_choices` as hex -> its value. */
type Held = Map<string, Buffer>

/** False = the slot has no such maps: it is empty, or its programs are older than routes. */
export function writeRoutes(pins: Pins, slot: number, content: RouteContent): boolean {
  const { choices, backends, breakers = [] } = content
  const rules = new Map(breakers.map(({ service, rule }) => [service, rule]))
  if (!hasRouteMaps(pins, slot)) return false
  withMap(pins.slotMap(slot, MAPS.choices), (map) => writeChoices(map, choices))
  withMap(pins.slotMap(slot, MAPS.backends), (map) => writeNumbers(map, (number) => backends[number] ?? null))
  if (existsSync(pins.slotMap(slot, BREAKERS)))
    withMap(pins.slotMap(slot, BREAKERS), (map) => writeNumbers(map, (number) => rules.get(number) ?? null))
  return true
}

/** What is there: choices in no order, and backends up to the last that is known. Null = no such maps. */
export function readRoutes(pins: Pins, slot: number): RouteContent | null {
  if (!hasRouteMaps(pins, slot)) return null
  const held = withMap(pins.slotMap(slot, MAPS.choices), heldChoices)
  const choices = [...held].map(([key, value]) => decodeChoice(Buffer.from(key, 'hex'), value))
  const values = withMap(pins.slotMap(slot, MAPS.backends), heldNumbers)
  const end = values.findLastIndex((value) => value !== 0) + 1
  return {
    choices,
    backends: Array.from(values.subarray(0, end), (value) => (value === 0 ? null : value - 1)),
    ...readBreakers(pins, slot),
  }
}

function readBreakers(pins: Pins, slot: number): Pick<RouteContent, 'breakers'> {
  const path = pins.slotMap(slot, BREAKERS)
  const values = existsSync(path) ? [...withMap(path, heldNumbers)] : []
  const breakers = values.flatMap((value, service) => (value === 0 ? [] : [{ service, rule: value - 1 }]))
  return breakers.length > 0 ? { breakers } : {}
}

/** Numbers of services that the routes and breakers of a slot name. */
export function servicesRouted(pins: Pins, slot: number): number[] {
  const found = readRoutes(pins, slot)
  if (found === null) return []
  const { choices, backends, breakers = [] } = found
  const named = [...choices, ...breakers].map(({ service }) => service)
  return [...named, ...backends.filter((number) => number !== null)]
}

function hasRouteMaps(pins: Pins, slot: number): boolean {
  return Object.values(MAPS).every((name) => existsSync(pins.slotMap(slot, name)))
}

/** What is gone goes first, so that there is room; what is new comes in the order of `choices`. */
function writeChoices(map: BpfMap, choices: readonly RouteChoice[]): void {
  const held = heldChoices(map)
  const wanted: Held = new Map(
    choices.map((choice) => [encodeKey(choice).toString('hex'), encodeChoice(choice)]),
  )
  for (const key of held.keys()) if (!wanted.has(key)) map.delete(Buffer.from(key, 'hex'))
  for (const [key, value] of wanted)
    if (held.get(key)?.equals(value) !== true) map.update(Buffer.from(key, 'hex'), value)
}

/** Null = nothing, which is 0 there. */
function writeNumbers(map: BpfMap, numberOf: (at: number) => number | null): void {
  for (const [number, held] of heldNumbers(map).entries()) {
    const live = numberOf(number)
    const value = live === null ? 0 : live + 1
    if (held !== value) map.update(u32(number), u32(value))
  }
}

function heldChoices(map: BpfMap): Held {
  const held: Held = new Map()
  const { bytes } = RouteKeyLayout
  for (const { count, keys, values, valueBytes } of batches(map, bytes, Limit.MAX_ROUTE_KEYS))
    for (let i = 0; i < count; i++)
      held.set(
        keys.toString('hex', i * bytes, (i + 1) * bytes),
        Buffer.from(values.subarray(i * valueBytes, (i + 1) * valueBytes)),
      )
  return held
}

function heldNumbers(map: BpfMap): Uint32Array {
  const held = new Uint32Array(Limit.MAX_SERVICES)
  for (const { count, keys, values, valueBytes } of batches(map, 4, Limit.MAX_SERVICES))
    for (let i = 0; i < count; i++) held[keys.readUInt32LE(4 * i)] = values.readUInt32LE(valueBytes * i)
  return held
}

function encodeKey({ service, identity }: RouteChoice): Buffer {
  const { bytes, fields } = RouteKeyLayout
  const key = Buffer.alloc(bytes)
  key.writeUInt32LE(service, fields.service.at)
  key.writeUInt32LE(identity, fields.identity.at)
  return key
}

function encodeChoice({ set, own }: RouteChoice): Buffer {
  const { bytes, fields } = RouteChoiceLayout
  const value = Buffer.alloc(bytes)
  value.writeUInt32LE(set === null ? 0 : set + 1, fields.set.at)
  value.writeUInt32LE(Number(own), fields.own.at)
  return value
}

function decodeChoice(key: Buffer, value: Buffer): RouteChoice {
  const [of, is] = [RouteKeyLayout.fields, RouteChoiceLayout.fields]
  const set = value.readUInt32LE(is.set.at)
  return {
    service: key.readUInt32LE(of.service.at),
    identity: key.readUInt32LE(of.identity.at),
    set: set === 0 ? null : set - 1,
    own: value.readUInt32LE(is.own.at) !== 0,
  }
}
