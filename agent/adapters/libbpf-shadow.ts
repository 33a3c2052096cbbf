/**
 * A shadow in the node's real kernel: `self.shadow` of the generation that asks is the one word that turns it on and
 * off. It is read once a segment, so that a store of it is the whole change.
 */
import { existsSync } from 'node:fs'
import {
  Limit,
  SelfLayout,
  ShadowCount,
  ShadowLimit,
  ShadowPaceLayout,
  ShadowSampleLayout,
  ShadowSeatLayout,
} from '../../bpf/abi/heddle.gen.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Candidate, ShadowCounts, ShadowFacts, ShadowMaps, ShadowSample } from '../ports.ts'
import { withMap } from './attach.ts'
import { type BpfMap, u32 } from './libbpf.ts'
import type { Pins } from './pins.ts'
import { possibleCpus } from './possible-cpus.ts'
import { decodeShadowSample } from './shadow-sample.ts'

const PROGRAM = 'inbound_shadow'
const COUNTER_BYTES = 8
/** Kinds of difference that have samples: all before SHADOW_UNSEEN but SHADOW_AGREE. */
const KINDS = ShadowCount.SHADOW_UNSEEN - 1

export function shadowMaps(pins: Pins): ShadowMaps {
  return {
    begin: async (active, candidate) => begin(pins, active, candidate),
    end: async () => end(pins),
    read: async () => read(pins),
  }
}

function begin(pins: Pins, active: number, candidate: Candidate): void {
  checkSupport(pins, active, candidate)
  const asked = asking(pins)
  if (asked?.active === active && asked.candidate === candidate.slot && isSelf(pins, candidate)) return
  end(pins)
  writeSelf(pins, candidate)
  clear(pins, candidate.slot)
  setShadow(pins, active, candidate.slot + 1)
}

function checkSupport(pins: Pins, active: number, candidate: Candidate): void {
  const refuse = (what: string) => {
    throw new Failure('shadow-unsupported', `${what} is older than shadows`)
  }
  if (!existsSync(pins.map('shadows'))) refuse('the dispatcher that is attached')
  for (const slot of [active, candidate.slot])
    if (!existsSync(pins.slotProgram(slot, PROGRAM))) refuse(`the artifact in slot ${slot}`)
}

function end(pins: Pins): void {
  for (let slot = 0; slot < Limit.SLOTS; slot++) if (shadowOf(pins, slot) !== 0) setShadow(pins, slot, 0)
}

function read(pins: Pins): ShadowFacts | null {
  const asked = asking(pins)
  return asked && { ...asked, ...readShadow(pins, asked.candidate) }
}

/** What was found of the candidate in this slot; samples newest first. */
function readShadow(pins: Pins, candidate: number): { counts: ShadowCounts; samples: ShadowSample[] } {
  const [agree = 0, newDenies = 0, newAllows = 0, other = 0, unseen = 0] = withMap(
    pins.map('shadow_counts'),
    (map) => countersOf(candidate).map((at) => sumAt(map, at)),
  )
  const samples = withMap(pins.map('shadow_samples'), (map) =>
    samplesOf(candidate).map((at) => map.lookup(u32(at), ShadowSampleLayout.bytes)),
  )
  const now = process.hrtime.bigint()
  return {
    counts: { agree, newDenies, newAllows, other, unseen },
    samples: samples
      .map((bytes) => bytes && decodeShadowSample(bytes, now))
      .filter((sample) => sample !== undefined)
      .sort((a, b) => a.agoMs - b.agoMs),
  }
}

/** The slot that asks, and the one that is asked. */
function asking(pins: Pins): { active: number; candidate: number } | null {
  for (let slot = 0; slot < Limit.SLOTS; slot++) {
    const shadow = shadowOf(pins, slot)
    if (shadow > 0) return { active: slot, candidate: shadow - 1 }
  }
  return null
}

function self(pins: Pins, slot: number): Buffer | undefined {
  const pin = pins.slotMap(slot, 'self')
  return existsSync(pin) ? withMap(pin, (map) => map.lookup(u32(0), SelfLayout.bytes)) : undefined
}

const shadowOf = (pins: Pins, slot: number) =>
  self(pins, slot)?.readUInt32LE(SelfLayout.fields.shadow.at) ?? 0

/** In one store of the kernel's, beside the slot: whoever reads it finds the old word or the new one. */
function setShadow(pins: Pins, slot: number, shadow: number): void {
  const value = self(pins, slot)
  if (value === undefined) return
  value.writeUInt32LE(shadow, SelfLayout.fields.shadow.at)
  withMap(pins.slotMap(slot, 'self'), (map) => map.update(u32(0), value))
}

function selfOf({ slot, generation }: Candidate): Buffer {
  const value = Buffer.alloc(SelfLayout.bytes)
  value.writeBigUInt64LE(BigInt(generation), SelfLayout.fields.generation.at)
  value.writeUInt32LE(slot, SelfLayout.fields.slot.at)
  return value
}

const isSelf = (pins: Pins, candidate: Candidate) =>
  self(pins, candidate.slot)?.equals(selfOf(candidate)) === true

function writeSelf(pins: Pins, candidate: Candidate): void {
  withMap(pins.slotMap(candidate.slot, 'self'), (map) => map.update(u32(0), selfOf(candidate)))
}

/** Nobody asks yet: seats that a run was cut short in are free again, and nothing has been counted. */
function clear(pins: Pins, candidate: number): void {
  const seat = Buffer.alloc(ShadowSeatLayout.bytes)
  withMap(pins.map('shadow_seats'), (map) => {
    for (let at = 0; at <= ShadowLimit.SHADOW_SEATS; at++) map.update(u32(at), seat)
  })
  const pace = Buffer.alloc(ShadowPaceLayout.bytes)
  withMap(pins.map('shadow_paces'), (map) => {
    for (const at of countersOf(candidate)) map.update(u32(at), pace)
  })
  const sample = Buffer.alloc(ShadowSampleLayout.bytes)
  withMap(pins.map('shadow_samples'), (map) => {
    for (const at of samplesOf(candidate)) map.update(u32(at), sample)
  })
  const counter = Buffer.alloc(COUNTER_BYTES * possibleCpus())
  withMap(pins.map('shadow_counts'), (map) => {
    for (const at of countersOf(candidate)) map.update(u32(at), counter)
  })
}

function sumAt(map: BpfMap, at: number): number {
  const cpus = possibleCpus()
  const perCpu = map.lookup(u32(at), COUNTER_BYTES * cpus)
  let sum = 0n
  for (let cpu = 0; perCpu && cpu < cpus; cpu++) sum += perCpu.readBigUInt64LE(COUNTER_BYTES * cpu)
  return Number(sum)
}

function countersOf(candidate: number): number[] {
  const each = ShadowCount.SHADOW_COUNTS
  return Array.from({ length: each }, (_, what) => candidate * each + what)
}

function samplesOf(candidate: number): number[] {
  const each = KINDS * ShadowLimit.SHADOW_SAMPLES
  return Array.from({ length: each }, (_, place) => candidate * each + place)
}
