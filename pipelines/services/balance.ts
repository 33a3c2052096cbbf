/**
 * Which endpoint of a service takes the next request: the meaning of a balance policy, which the kernel's
 * programs (bpf/programs/parts/balance.h) and the relay share. Shares are as weights where nothing else tells.
 */
import type { Policy } from './model.ts'

/** Draws that may fall on an endpoint that rests, before all are looked through. */
const DRAWS = 8
/** Endpoints that least request compares. */
const LEAST = 256
/** 2^32 divided by the golden ratio: numbers that are so far apart spread evenly over any range. */
export const SPREAD_STEP = 2_654_435_769
const UINT32 = 2 ** 32
/** Microseconds that latencies count at the most; so much is who was asked and has not answered yet. */
const MAX_LATENCY = 4_194_303

/** An endpoint at the time of the choice. */
export type Standing = {
  /** 0 = takes no new request. */
  weight: number
  /** Ejected: takes none for now. */
  ejected: boolean
  /** Requests. */
  inFlight: number
  /** Microseconds, of late; 0 = not measured. */
  latency: number
  /** What slow start leaves of its share, 0 to 1. */
  started: number
}

/** Numbers of 0 to 2^32 - 1: random ones, the number of this turn, the hash of the request. */
export type Lots = { random: () => number; turn: () => number; key: number }

/** Endpoints nearest first: how many are on this node, and how many on it or in its zone. */
export type Nearness = { local: number; zone: number }

/** Place of the endpoint that takes the request; undefined = none does. Of this node, else of its zone, else any. */
export function choose(
  policy: Policy,
  endpoints: readonly Standing[],
  { local, zone }: Nearness,
  lots: Lots,
): number | undefined {
  let last = 0
  for (const near of [local, zone, endpoints.length]) {
    const found = near > last ? among(policy, endpoints.slice(0, near), lots) : undefined
    if (found !== undefined) return found
    last = near
  }
  return undefined
}

/** Weights without their common divisor, each with all before it. */
export function shares(weights: readonly number[]): number[] {
  const common = weights.reduce(divisor, 0) || 1
  let sum = 0
  return weights.map((weight) => {
    sum += weight / common
    return sum
  })
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b)
}

function among(policy: Policy, near: readonly Standing[], lots: Lots): number | undefined {
  const first = drawn(policy, near, lots) ?? any(near, lots)
  if (first === undefined) return undefined
  if (policy === 'least-request') return least(near, first, lots)
  if (policy !== 'two-choices' && policy !== 'ewma') return first
  const second = drawn(policy, near, lots, first)
  return second === undefined ? first : better(policy, near, first, second)
}

function takes({ weight, ejected }: Standing): boolean {
  return weight > 0 && !ejected
}

/** One by its share, another one than `except`. */
function drawn(policy: Policy, near: readonly Standing[], lots: Lots, except?: number): number | undefined {
  const upTo = shares(near.map(({ weight }) => weight))
  const total = upTo.at(-1) ?? 0
  if (total === 0) return undefined
  for (let tried = 0; tried < DRAWS; tried++) {
    const draw = drawOf(policy, { total, equal: total === near.length, tried }, lots)
    const place = upTo.findIndex((share) => share > draw)
    const found = near[place] as Standing
    const starts = found.started >= 1 || lots.random() / UINT32 < found.started
    if (takes(found) && starts && place !== except) return place
  }
  return undefined
}

function drawOf(
  policy: Policy,
  { total, equal, tried }: { total: number; equal: boolean; tried: number },
  { random, turn, key }: Lots,
): number {
  const scaled = (number: number) => Math.floor((number / UINT32) * total)
  if (policy === 'maglev') return scaled((key + tried * SPREAD_STEP) % UINT32)
  if (policy !== 'round-robin') return scaled(random())
  return equal ? turn() % total : scaled(Number((BigInt(turn()) * BigInt(SPREAD_STEP)) % BigInt(UINT32)))
}

/** Where nearly all rest: whoever does not, from anywhere on. */
function any(near: readonly Standing[], { key }: Lots): number | undefined {
  const order = near.map((_, index) => (key + index) % near.length)
  return order.find((place) => takes(near[place] as Standing))
}

function least(near: readonly Standing[], first: number, { key }: Lots): number {
  const compared = Array.from({ length: Math.min(near.length, LEAST) }, (_, i) => (key + i) % near.length)
  return compared
    .filter((place) => takes(near[place] as Standing))
    .reduce((best, place) => better('least-request', near, best, place), first)
}

/** The first of equals stays: it was drawn by its share. */
function better(policy: Policy, near: readonly Standing[], first: number, second: number): number {
  const [a, b] = [near[first] as Standing, near[second] as Standing]
  return loadOf(policy, b) * a.weight < loadOf(policy, a) * b.weight ? second : first
}

/** Load for its weight, times its weight. Who has not been measured is asked by one request, which finds out. */
function loadOf(policy: Policy, { inFlight, latency, weight }: Standing): number {
  if (policy !== 'ewma') return inFlight
  const known = latency === 0 && inFlight > 0 ? MAX_LATENCY : Math.min(latency, MAX_LATENCY)
  return known * (inFlight + weight)
}
