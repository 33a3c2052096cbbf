/**
 * Circuit breakers: a service port, all its endpoints together, as the clients of one node see it (as Envoy
 * keeps them for a cluster, a proxy each). Closed, it lets requests through and looks at how they end; open,
 * it refuses all for a while; half-open, it lets a few through as probes. The kernel does the same
 * (bpf/lib/breaker.h), in steps beside others; time is in milliseconds of a clock that never goes back.
 *
 * An error is what a gateway would call one: a status of 500 or more, or no whole response by the service's
 * doing (no connection, a reset, a timeout). A request that its client gave up, or that came to nothing
 * else on the way, says nothing. What is retried counts once, by its last try.
 */
import { z } from 'zod'
import { Source } from './source.ts'

/** Requests that one window's slice counts: HEDDLE_BREAKER_VOLUME. */
export const MAX_VOLUME = 1_048_575
/** Slices of a window. */
export const SLICES = 8

/** Milliseconds. A part that is not there bounds nothing. */
export const Breaker = z.strictObject({
  /** Errors in a row that open it. */
  consecutiveErrors: z.int().min(1).max(1_000).optional(),
  /** Share of a window's requests, once there are `minimumVolume`, that opens it. */
  errorRate: z
    .strictObject({
      percent: z.int().min(1).max(100),
      window: z.int().min(1_000).max(600_000),
      minimumVolume: z.int().min(1).max(100_000),
    })
    .optional(),
  /** Requests that the service has at a time. */
  maxInFlight: z.int().min(1).max(1_000_000).optional(),
  /** Requests that wait for a connection of the relay's; the kernel takes none that would have to wait. */
  maxPending: z.int().min(1).max(65_536).optional(),
  /** How long it stays open; a round of probes has as long. */
  open: z.int().min(100).max(3_600_000),
  /** Requests that have to succeed, half-open; so many go at a time. */
  probes: z.int().min(1).max(1_000),
})
export type Breaker = z.infer<typeof Breaker>

/** Of a service's port; null = each of its ports that none is for by number. */
export const ServiceBreaker = z.strictObject({
  name: z.string(),
  namespace: z.string(),
  source: Source,
  service: z.strictObject({
    namespace: z.string(),
    name: z.string(),
    port: z.int().min(1).max(65_535).nullable(),
  }),
  breaker: Breaker,
})
export type ServiceBreaker = z.infer<typeof ServiceBreaker>

/** The one that a service's port meets. */
export function breakerFor(
  breakers: readonly ServiceBreaker[],
  { namespace, name, port }: { namespace: string; name: string; port: number },
): ServiceBreaker | undefined {
  const own = breakers.filter(({ service }) => service.namespace === namespace && service.name === name)
  return own.find(({ service }) => service.port === port) ?? own.find(({ service }) => service.port === null)
}

/** For people. */
export function breakerText(breaker: Breaker): string {
  const { consecutiveErrors, errorRate, maxInFlight, maxPending, open, probes } = breaker
  const opening = [
    ...(consecutiveErrors === undefined ? [] : [`${consecutiveErrors} errors in a row`]),
    ...(errorRate === undefined
      ? []
      : [`${errorRate.percent} % of ${errorRate.minimumVolume} requests or more in ${errorRate.window} ms`]),
  ]
  return [
    ...(opening.length === 0
      ? []
      : [`open for ${open} ms after ${opening.join(' or ')}, then ${probes} to probe`]),
    ...(maxInFlight === undefined ? [] : [`at most ${maxInFlight} in flight`]),
    ...(maxPending === undefined ? [] : [`at most ${maxPending} waiting for a connection`]),
  ].join('; ')
}

/** Of requests that were not let through: what the client is told in `x-heddle-breaker`. */
export const REFUSALS = ['open', 'in-flight', 'pending'] as const
export type BreakerRefusal = (typeof REFUSALS)[number]

export type BreakerOutcome = 'success' | 'error' | 'untold'

/** `number` of a slice: time / (window / 8). Only counted where there is a window. */
type Slice = { number: number; requests: number; errors: number }

export type BreakerState = {
  kind: 'closed' | 'open' | 'half-open'
  /** Raised by every change of `kind`, and by another round of probes. */
  turn: number
  /** Open: until then. Half-open: the end of this round, from where on those that are out are forgotten. */
  until: number
  /** Of probes. */
  succeeded: number
  out: number
  /** Errors in a row. */
  errors: number
  inFlight: number
  slices: readonly Slice[]
  /** That `slices` were made by: those of another window say nothing of this one. */
  sliceMs: number
}

/** What an admitted request has to say when it is over. */
export type Ticket = { turn: number; probe: boolean; counted: boolean }

export const CLOSED: BreakerState = {
  kind: 'closed',
  turn: 0,
  until: 0,
  succeeded: 0,
  out: 0,
  errors: 0,
  inFlight: 0,
  slices: [],
  sliceMs: 0,
}

type Admission = { state: BreakerState; ticket: Ticket } | { state: BreakerState; refused: BreakerRefusal }

const opens = ({ consecutiveErrors, errorRate }: Breaker): boolean =>
  consecutiveErrors !== undefined || errorRate !== undefined

/** Rounded up, so that eight of them are never less than the window. */
export const sliceMsOf = (window: number): number => Math.ceil(window / SLICES)

/** An open breaker's end is never further away than its rule says: a shorter `open` counts at once. */
const lasts = ({ open }: Breaker, { until }: BreakerState, now: number): boolean =>
  until > now && until - now <= open

function isShut(breaker: Breaker, state: BreakerState, now: number): boolean {
  if (!opens(breaker) || state.kind === 'closed') return false
  if (state.kind === 'half-open' && state.succeeded + state.out < breaker.probes) return false
  return lasts(breaker, state, now)
}

/** A request comes. */
export function admit(breaker: Breaker, state: BreakerState, now: number): Admission {
  if (isShut(breaker, state, now)) return { state, refused: 'open' }
  const counted = breaker.maxInFlight !== undefined
  if (counted && state.inFlight >= (breaker.maxInFlight ?? 0)) return { state, refused: 'in-flight' }
  const flying = { ...state, inFlight: state.inFlight + (counted ? 1 : 0) }
  const probe = opens(breaker) && state.kind !== 'closed'
  const next = probe ? probed(breaker, flying, now) : flying
  return { state: next, ticket: { turn: next.turn, probe, counted } }
}

/** One more probe is out: of this round, or of another one, which forgets those that are out and keeps what succeeded. */
function probed(breaker: Breaker, state: BreakerState, now: number): BreakerState {
  const { kind, succeeded, out, turn } = state
  if (kind === 'half-open' && succeeded + out < breaker.probes) return { ...state, out: out + 1 }
  const kept = kind === 'half-open' ? succeeded : 0
  const round = { turn: turn + 1, until: now + breaker.open, succeeded: kept, out: 1 }
  return { ...state, kind: 'half-open', ...round }
}

/** An admitted request is over. What was admitted before the last change of kind says nothing of this one. */
export function end(
  breaker: Breaker,
  before: BreakerState,
  { ticket, outcome, now }: { ticket: Ticket; outcome: BreakerOutcome; now: number },
): BreakerState {
  const landed = ticket.counted && before.inFlight > 0 ? before.inFlight - 1 : before.inFlight
  const state = { ...before, inFlight: landed }
  if (state.turn !== ticket.turn) return state
  if (ticket.probe) return probeEnds(breaker, state, outcome, now)
  if (outcome === 'untold' || !opens(breaker) || state.kind !== 'closed') return state
  return counts(breaker, state, outcome === 'error', now)
}

function probeEnds(
  breaker: Breaker,
  state: BreakerState,
  outcome: BreakerOutcome,
  now: number,
): BreakerState {
  if (state.kind !== 'half-open' || state.out === 0) return state
  if (outcome === 'error') return tripped(breaker, state, now)
  const succeeded = state.succeeded + (outcome === 'success' ? 1 : 0)
  if (outcome === 'success' && succeeded >= breaker.probes)
    return { ...CLOSED, turn: state.turn + 1, inFlight: state.inFlight }
  return { ...state, succeeded, out: state.out - 1 }
}

function tripped({ open }: Breaker, { turn, inFlight }: BreakerState, now: number): BreakerState {
  return { ...CLOSED, kind: 'open', turn: turn + 1, until: now + open, inFlight }
}

/** Closed: an error opens it, a success never does. */
function counts(breaker: Breaker, state: BreakerState, error: boolean, now: number): BreakerState {
  const { consecutiveErrors, errorRate } = breaker
  const errors = error && consecutiveErrors !== undefined ? state.errors + 1 : 0
  const next = { ...state, errors, ...(errorRate && sliced(errorRate, state, { now, error })) }
  if (!error) return next
  const inRow = consecutiveErrors !== undefined && errors >= consecutiveErrors
  return inRow || exceeds(errorRate, next.slices) ? tripped(breaker, next, now) : next
}

/** Slices of the window that ends now, one request more in the last. */
function sliced(
  { window }: { window: number },
  { slices, sliceMs }: BreakerState,
  { now, error }: { now: number; error: boolean },
): Pick<BreakerState, 'slices' | 'sliceMs'> {
  const span = sliceMsOf(window)
  const number = Math.floor(now / span)
  const within = slices.filter((slice) => span === sliceMs && slice.number > number - SLICES)
  const last = within.find((slice) => slice.number === number) ?? { number, requests: 0, errors: 0 }
  const others = within.filter((slice) => slice !== last)
  if (last.requests === MAX_VOLUME) return { slices: within, sliceMs: span }
  const { requests, errors } = last
  return {
    slices: [...others, { number, requests: requests + 1, errors: errors + (error ? 1 : 0) }],
    sliceMs: span,
  }
}

function exceeds(rate: Breaker['errorRate'], slices: readonly Slice[]): boolean {
  if (rate === undefined) return false
  const requests = slices.reduce((sum, slice) => sum + slice.requests, 0)
  const errors = slices.reduce((sum, slice) => sum + slice.errors, 0)
  return requests >= rate.minimumVolume && errors * 100 >= rate.percent * requests
}
