/**
 * Services and their endpoints: live data of a node, not of a release. A service has addresses that
 * clients connect to; where its requests go is chosen by labels, or listed.
 */
import { z } from 'zod'
import { type Selector, Workload } from '../policy/model.ts'
import { ServicePort, serviceText } from '../policy/route.ts'

const PortNumber = z.int().min(1).max(65535)

/** Requests to `port` go to `targetPort` of an endpoint; without it to the same port. */
const ExposedPort = z.strictObject({
  port: PortNumber,
  targetPort: PortNumber.optional(),
  name: z.string().min(1).max(63).optional(),
})

/** Where requests go that no known workload tells. `port` wins over the service's target port. */
const ListedEndpoint = z.strictObject({
  address: z.string(),
  port: PortNumber.optional(),
  labels: z.record(z.string(), z.string()).default({}),
  zone: Workload.shape.zone,
  /** 0 = takes no new request. */
  weight: z.int().min(0).max(1_000_000).default(1),
})
export type ListedEndpoint = z.infer<typeof ListedEndpoint>

export const Policy = z.enum(['two-choices', 'random', 'round-robin', 'least-request', 'ewma', 'maglev'])
export type Policy = z.infer<typeof Policy>

/** 400 days: browsers keep no cookie longer (draft-ietf-httpbis-rfc6265bis, 5.5). */
const MAX_COOKIE_SECONDS = 34_560_000

/** What a kernel's entry has room for. */
const HashName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, 'no name of 1 to 64 token characters')

/** Of what requests with the same value go to the same endpoint. Without it: of the workload that asks. */
const HashOf = z.discriminatedUnion('of', [
  z.strictObject({ of: z.literal('source') }),
  z.strictObject({ of: z.enum(['header', 'query']), name: HashName }),
  z.strictObject({
    of: z.literal('cookie'),
    name: HashName,
    /**
     * Given, a request without the cookie is answered with one (session-cookie.ts) that lasts so many seconds;
     * 0 = until the browser closes. Not given, the cookie is the application's own.
     */
    ttlSeconds: z.int().min(0).max(MAX_COOKIE_SECONDS).optional(),
  }),
])
export type HashOf = z.infer<typeof HashOf>

const Balance = z
  .strictObject({ policy: Policy, hash: HashOf.optional() })
  .refine(({ policy, hash }) => hash === undefined || policy === 'maglev', {
    path: ['hash'],
    message: 'only maglev hashes',
  })

/** An endpoint that fails in a row takes no requests for a while, each time longer. */
const Ejection = z
  .strictObject({
    consecutive5xx: z.int().min(1).max(1_000).optional(),
    consecutiveResets: z.int().min(1).max(1_000).optional(),
    baseMs: z.int().min(1).max(3_600_000).default(30_000),
    /** Of a service's endpoints at a time: one bad release must not leave it without any. */
    maxPercent: z.int().min(1).max(100).default(50),
  })
  .refine((ejection) => ejection.consecutive5xx !== undefined || ejection.consecutiveResets !== undefined, {
    message: 'after what? It needs consecutive5xx or consecutiveResets',
  })

/** How a service's requests are spread. */
export const Spread = z.strictObject({
  balance: Balance.optional(),
  ejection: Ejection.optional(),
  /** Milliseconds in which the share of a new or returned endpoint grows. */
  slowStartMs: z.int().min(1).max(3_600_000).optional(),
})
export type Spread = z.infer<typeof Spread>

/** Either chosen or listed. A selector is of the service's own namespace, and never empty: that would mean all of it. */
export const Service = z
  .strictObject({
    namespace: ServicePort.shape.namespace,
    name: ServicePort.shape.name,
    /** None = no client connects to it: it is there for routes to send to. */
    addresses: z.array(z.string()).max(64).default([]),
    ports: z.array(ExposedPort).min(1).max(64),
    selector: z
      .record(z.string(), z.string())
      .refine((labels) => Object.keys(labels).length > 0, 'a selector names at least one label')
      .optional(),
    endpoints: z.array(ListedEndpoint).max(4096).optional(),
    ...Spread.shape,
  })
  .refine(
    ({ selector, endpoints }) => (selector === undefined) !== (endpoints === undefined),
    'a service has either a selector or endpoints',
  )
export type Service = z.infer<typeof Service>

/** Which of the sources named an endpoint: this node's workloads, a node of the registry, the service itself. */
export type Origin = { kind: 'workload' | 'announced'; workload: string } | { kind: 'listed' }

/** Where requests of one service port can go. */
export type Endpoint = {
  address: string
  port: number
  labels: Record<string, string>
  zone: string | null
  /** Null = nobody said. */
  node: string | null
  weight: number
  origin: Origin
}

/** A service's port as it is named everywhere: `namespace/name:port`. */
export function serviceKey(port: ServicePort): string {
  return serviceText(port)
}

/** The selector of a service as policies write theirs. */
export function selectorOf(namespace: string, labels: Record<string, string>): Selector {
  const requirements = Object.entries(labels).map(([key, value]) => ({
    key,
    operator: 'In' as const,
    values: [value],
  }))
  return { namespaces: [namespace], requirements }
}
