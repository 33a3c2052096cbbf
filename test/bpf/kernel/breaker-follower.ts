/**
 * The model beside the kernel: after each event the kernel must have what the model says for some moment between
 * those at which it was begun and seen to be over. No tolerance beyond that: clocks are one.
 */
import assert from 'node:assert/strict'
import {
  admit,
  type Breaker,
  type BreakerOutcome,
  type BreakerState,
  CLOSED,
  end,
  sliceMsOf,
  type Ticket,
} from '../../../pipelines/policy/breaker.ts'
import type { KernelBreaker } from './breaker-fixture.ts'

const UINT32 = 2 ** 32
const TAGS = 2 ** 24
/** Milliseconds that are all tried; of a longer time those at which something changes. */
const EACH = 12

export type Span = { from: number; to: number }
/** `why`: of a refusal; an `outcome` only where the request is over. */
export type Event = { span: Span; why: string | undefined; outcome?: BreakerOutcome }
type Tried = { state: BreakerState; why: string | undefined; ticket: Ticket | undefined }

export class Follower {
  private state: BreakerState = CLOSED
  private rule: Breaker

  constructor(rule: Breaker) {
    this.rule = rule
  }

  get kind(): BreakerState['kind'] {
    return this.state.kind
  }
  get until(): number {
    return this.state.until
  }

  another(rule: Breaker): void {
    this.rule = rule
  }

  /** A request came, and may be over. Its ticket, if it was let through. */
  asked({ span, why, outcome }: Event, seen: KernelBreaker, note: string): Ticket | undefined {
    for (const came of this.moments(span, seen))
      for (const ended of outcome === undefined ? [came] : this.moments({ ...span, from: came }, seen)) {
        const tried = this.request(came, ended, outcome)
        if (tried.why !== why || !isSame(tried.state, seen)) continue
        this.state = tried.state
        return tried.ticket
      }
    return this.fail(note, { span, why, outcome, seen })
  }

  /** One that was let through earlier is over. */
  ended(
    ticket: Ticket,
    { span, outcome }: Event & { outcome: BreakerOutcome },
    seen: KernelBreaker,
    note: string,
  ) {
    for (const now of this.moments(span, seen)) {
      const state = end(this.rule, this.state, { ticket, outcome, now })
      if (!isSame(state, seen)) continue
      this.state = state
      return
    }
    this.fail(note, { span, outcome, seen })
  }

  private request(came: number, ended: number, outcome: BreakerOutcome | undefined): Tried {
    const said = admit(this.rule, this.state, came)
    if ('refused' in said) return { state: said.state, why: said.refused, ticket: undefined }
    const { ticket } = said
    if (outcome === undefined) return { state: said.state, why: undefined, ticket }
    return { state: end(this.rule, said.state, { ticket, outcome, now: ended }), why: undefined, ticket }
  }

  private moments({ from, to }: Span, { until }: KernelBreaker): number[] {
    if (to - from <= EACH) return Array.from({ length: to - from + 1 }, (_, i) => from + i)
    const { errorRate, open } = this.rule
    const slice = errorRate ? sliceMsOf(errorRate.window) : Infinity
    const first = Math.floor(from / slice)
    const starts = errorRate
      ? Array.from({ length: Math.floor(to / slice) - first }, (_, i) => (first + 1 + i) * slice)
      : []
    const changes = [this.state.until, until - open + Math.floor(from / UINT32) * UINT32, ...starts]
    const found = [from, to, ...changes.flatMap((at) => [at - 1, at])]
    return [...new Set(found)].filter((at) => at >= from && at <= to).sort((a, b) => a - b)
  }

  private fail(note: string, about: object): never {
    assert.fail(`${note}: ${JSON.stringify({ ...about, model: this.state, rule: this.rule })}`)
  }
}

function isSame(model: BreakerState, seen: KernelBreaker): boolean {
  const { kind, turn, until, succeeded, out, errors, inFlight, slices } = model
  const plain =
    kind === seen.kind &&
    turn % 1024 === seen.turn &&
    until % UINT32 === seen.until &&
    succeeded === seen.succeeded &&
    out === seen.out &&
    errors === seen.errors &&
    inFlight === seen.inFlight
  return (
    plain &&
    slices.every((slice) => {
      const held = seen.slices.find(({ number, requests }) => number === slice.number % TAGS && requests > 0)
      return held?.requests === slice.requests && held.errors === slice.errors
    })
  )
}
