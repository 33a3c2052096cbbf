/** What a client's connection needs of the kernel, of the policy, and of the endpoints. */
import type { Retry } from '../../../pipelines/policy/route.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import type { MessageRest } from '../../../pipelines/protocols/http1.ts'
import type { CopySink } from './copy-sink.ts'
import type { OutboundCounts } from './counts.ts'
import type { RetryBudget } from './retry-budget.ts'
import type { Wire } from './wire.ts'

/**
 * In whose hands a client's connection is (enum heddle_hand). Bytes are counted from
 * the connection's start, as the relay's own socket sees them.
 */
export interface Turn {
  /**
   * The relay has it from now on. `done`: what the kernel has under way for this client is with the client.
   * `rest`: of a body that the kernel has handed on in part; 'lost' = nobody can say where that goes on.
   */
  take(): { done: Promise<void>; rest: RequestRest | 'lost' | undefined }
  /** At a message boundary with nothing under way: the kernel may have the connection back. */
  offer(read: number, written: number): void
}

/** What the client sends is the rest of a body whose beginning the kernel has handed on. */
export type RequestRest = { body: MessageRest; upstream: Wire }

/** What the policy says of one request. A failure of its own is answered with 500. */
export interface Router {
  route(request: Request): Outcome
}

export type Outcome =
  | {
      kind: 'forward'
      /** The first is tried first; the others after it failed before a response began. At least one. */
      targets: readonly [Target, ...Target[]]
      request?: HeadEdit
      response?: HeadEdit
      /** Milliseconds from the request's head to the response's last byte; 0 = none. */
      requestTimeout: number
      /** The same for what one endpoint takes. */
      backendTimeout: number
      /** The same for as long as no byte comes from the endpoint or goes to it. */
      idleTimeout?: number
      retry?: Retry | undefined
      /** Of the service, where the retry has one. */
      budget?: RetryBudget
      /** Milliseconds before it is sent on, a part of `requestTimeout`. */
      delay?: number
      /** By the breaker of the service: its end is told there. */
      admitted?: Admitted | undefined
      /** What goes to the endpoint goes to these, too; once, however often it is tried. */
      copies?: readonly CopySink[]
    }
  | { kind: 'reply'; status: RoutedStatus }
  /** A redirect, a direct response, an abort, or the answer to a preflight: the whole of it, as the tables have it. */
  | { kind: 'own-reply'; reply: Uint8Array }
  /** A rate limit has no more. */
  | { kind: 'limited'; reply: Uint8Array }
  /** The breaker of the service lets no more through. */
  | { kind: 'barred'; reply: Uint8Array }
  /** `drop`: no rule of any kind lets it in, so that nobody answers. */
  | { kind: 'deny' }
  | { kind: 'drop' }

/** What a route may answer by itself, without a line of its own. */
export type RoutedStatus = 404 | 500 | 503

/** A request that a breaker let through. Its end is told once; what is said later is not heard. */
export type Admitted = {
  /** The status of its response; 'error': there was none, by the service's doing. */
  over(came: number | 'error'): void
  /** It came to nothing that says anything of the service. */
  untold(): void
  /** Too many wait for a connection: so it does not. */
  pending(): void
  /** It has to wait for a connection; undefined = too many do. */
  wait(): (() => void) | undefined
}

/** Where to, and as whom: two identities never share a connection. */
export type Target = {
  address: string
  port: number
  identity: number
  /** Address to call from. */
  source?: string
  /** A workload of this node: the relay has judged for it. */
  local?: boolean
  /** A request goes there. */
  call?: () => EndpointCall
}

/** What one request tells of an endpoint's health. */
export type EndpointCall = {
  /** The status of its response. */
  heard(status: number): void
  /** No response came, or half of one, by the endpoint's doing. */
  lost(): void
  /** Nothing of it is under way any more; may be said again. */
  over(): void
}

/** A head with a route's edits (policy/route-edits.ts): whole, its empty line included. */
export type HeadEdit = (head: Uint8Array) => Uint8Array

/** Too many requests of the service wait for a connection already. */
export class TooManyWait extends Error {}

/** Connections to endpoints, of the relay's own. */
export interface Connector {
  /**
   * `fresh`: none that was used before. Rejects when there is no connection to be had; with TooManyWait where
   * one has to be made and `wait` has no place left.
   */
  take(target: Target, fresh: boolean, wait?: Admitted['wait']): Promise<Wire>
  /** For the next request: a whole response was read, nothing else is on it. */
  giveBack(target: Target, wire: Wire): void
}

/** All of one connection. */
export type ConnectionPorts = {
  turn: Turn
  router: Router
  connector: Connector
  counts: OutboundCounts
  complain(error: unknown): void
  closed(): void
}

/** How far a request in the kernel's hands had come when its upstream ended. */
export type KernelEnd = {
  /** Its response is not complete. */
  working: boolean
  /** Bytes of the response were handed on. */
  begun: boolean
  /** The response ends where the connection ends, or said that it would. */
  closes: boolean
}
