/** What the programs of a slot count, and the newest requests that they refused. */
import { existsSync } from 'node:fs'
import {
  BreakerLayout,
  HealthLayout,
  Limit,
  MeasureLimit,
  MeasuresLayout,
  RefusalLayout,
} from '../../bpf/abi/heddle.gen.ts'
import type { Counts, Refusal } from '../ports.ts'
import { withMap } from './attach.ts'
import { u32 } from './libbpf.ts'
import { batches } from './map-batch.ts'
import type { Pins } from './pins.ts'
import { possibleCpus } from './possible-cpus.ts'

const { fields, bytes } = MeasuresLayout

/** Null = the slot is empty, or its artifact is older than measures. */
export function readCounts(pins: Pins, slot: number): Counts | null {
  const path = pins.slotMap(slot, 'measures')
  if (!existsSync(path)) return null
  const cpus = possibleCpus()
  const value = withMap(path, (map) => map.lookup(u32(0), bytes * cpus)) ?? Buffer.alloc(0)
  const sum = (at: number) => {
    let total = 0n
    for (let cpu = 0; (cpu + 1) * bytes <= value.length; cpu++)
      total += value.readBigUInt64LE(cpu * bytes + at)
    return Number(total)
  }
  const latency = Array.from({ length: MeasureLimit.LATENCY_BUCKETS }, (_, bucket) =>
    sum(fields.latency.at + 8 * bucket),
  )
  return {
    allowed: sum(fields.allowed.at),
    refused: sum(fields.refused.at),
    responses: sum(fields.responses.at),
    errors: sum(fields.errors.at),
    latency,
    trips: readTrips(pins),
  }
}

/**
 * Endpoints that were taken out, each time counted, as long as they have not recovered for good; and breakers
 * of services that opened, each time.
 */
function readTrips(pins: Pins): number {
  const ejections = { at: HealthLayout.fields.ejections.at, most: Limit.MAX_ENDPOINTS }
  const trips = { at: BreakerLayout.fields.trips.at, most: Limit.MAX_SERVICES }
  return summed(pins.map('health'), ejections) + summed(pins.map('breakers'), trips)
}

/** The number at that place of all entries. */
function summed(path: string, { at, most }: { at: number; most: number }): number {
  if (!existsSync(path)) return 0
  return withMap(path, (map) => {
    let trips = 0
    for (const { count, values, valueBytes } of batches(map, 4, most)) {
      for (let entry = 0; entry < count; entry++) {
        trips += values.readUInt32LE(entry * valueBytes + at)
      }
    }
    return trips
  })
}

/** Refused requests with a number above `after`, and the number of the newest that there was. */
export function readRefusals(pins: Pins, slot: number, after: number): { last: number; refusals: Refusal[] } {
  const path = pins.slotMap(slot, 'refusals')
  if (!existsSync(path)) return { last: 0, refusals: [] }
  const { number, bytes: length, text } = RefusalLayout.fields
  return withMap(path, (map) => {
    const found: { number: number; refusal: Refusal }[] = []
    for (const { count, values, valueBytes } of batches(map, 4, MeasureLimit.REFUSALS)) {
      for (let entry = 0; entry < count; entry++) {
        const at = entry * valueBytes
        const said = Number(values.readBigUInt64LE(at + number.at))
        const end = at + text.at + Math.min(values.readUInt32LE(at + length.at), MeasureLimit.REFUSAL_TEXT)
        if (said > after)
          found.push({ number: said, refusal: parse(values.toString('latin1', at + text.at, end)) })
      }
    }
    return {
      last: Math.max(after, ...found.map((each) => each.number)),
      refusals: found.map(({ refusal }) => refusal),
    }
  })
}

/** As far as it is kept: a path that is longer is told by its beginning. */
function parse(text: string): Refusal {
  const [, method = '', path = ''] = /^([!-~]+) ([!-~]*)/.exec(text) ?? []
  return { method, path }
}
