/** What the tables say to a request: the rule that takes it, and what is done. */
import type { HeaderChange, RequestChange } from '../policy/route-change.ts'
import type { Fault, Retry } from '../policy/route.ts'

/** A rule that takes a request; `at` is its struct heddle_route_rule. */
export type FoundRule = {
  readonly at: number
  /** enum heddle_route_reason: why the kernel leaves it to the relay; 0 = it does not. */
  readonly reason: number
  /** Milliseconds, 0 = none. */
  readonly requestTimeout: number
  readonly backendTimeout: number
}

/** What is done with a request: `service` is an index of the manifest's `services`. */
export type RouteStep =
  | { readonly kind: 'status'; readonly status: 404 | 500 }
  | { readonly kind: 'redirect' | 'respond'; readonly reply: Uint8Array }
  | { readonly kind: 'preflight'; readonly reply: Uint8Array }
  | {
      readonly kind: 'forward'
      readonly service: number
      readonly request: RequestChange
      readonly response: HeaderChange
      readonly rule: FoundRule
      readonly retry: Retry | undefined
      readonly delay: Fault['delay']
      /** Milliseconds, 0 = none. */
      readonly idleTimeout: number
    }
