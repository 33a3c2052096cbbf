/** What one exchange with an endpoint needs, and what it comes to. */
import type { FailureStatus } from './counts.ts'
import type { Connector, Outcome } from './ports.ts'
import type { Found } from './request-reader.ts'
import type { Wire } from './wire.ts'

export type Forward = Extract<Outcome, { kind: 'forward' }>

export type ExchangeEnd =
  /** `goesOn`: the connection may carry another request. */
  | { kind: 'done'; goesOn: boolean }
  /** No byte of a final response is with the client. `pending`: by the service's breaker, too many wait. */
  | { kind: 'failed'; status: FailureStatus }
  /** Part of a response is: what is missing must not look like its end. */
  | { kind: 'broken' }
  | { kind: 'tunnel'; upstream: Wire; early: Buffer }

export type ExchangePorts = {
  client: Wire
  connector: Connector
  /** Takes what there is of the request's body; undefined = it was refused, and that is seen to. */
  part(): Extract<Found, { kind: 'part' }> | undefined
  /** Once more, or not for want of a budget. */
  retried(how: 'retries' | 'overBudget'): void
  /** `blocked` may have changed. */
  pace(): void
  /** Said once. */
  ended(end: ExchangeEnd): void
}
