/** What becomes of the kernel's upstreams, for whoever serves their clients. */
import type { Pool } from './kernel-pool.ts'
import type { KernelEnd } from './ports.ts'
import type { ResponseRest, UneditedResponse } from './response-reader.ts'
import type { Wire } from './wire.ts'

/** What the kernel leaves to the relay. */
export type UpstreamHooks = {
  /** An upstream ended that `client` had. */
  ended(client: bigint, end: KernelEnd): void
  /** The rest of the response to `client` comes by `wire`; the hook makes itself its owner. */
  rest(client: bigint, wire: Wire, rest: ResponseRest | UneditedResponse): void
  /** What `client` may have waited for is over. */
  over(client: bigint): void
  /** Upstream `index` ended within a response of `service`, by its server's doing. `came`: brokenOff(). */
  broke(index: number, about: { service: number; came: number }): void
  /** No connection to the endpoint is left: it may not be there any more. */
  emptied(pool: Pick<Pool, 'endpoint' | 'identity'>): void
}
