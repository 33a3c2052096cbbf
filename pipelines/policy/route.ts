/**
 * The route model: where a request to a service goes, whatever language said so.
 * A service without any route sends its requests to its own endpoints; one that has
 * routes answers 404 to what none of them matches (Gateway API, GAMMA).
 */
import { z } from 'zod'
import { Source } from './source.ts'

/** A service's port: what clients connect to, and what routes send to. */
export const ServicePort = z.strictObject({
  namespace: z.string().min(1).max(63),
  name: z.string().min(1).max(63),
  port: z.int().min(1).max(65535),
})
export type ServicePort = z.infer<typeof ServicePort>

/**
 * `prefix` is by segments: /a matches /a and /a/b, not /ab. `regex`: RE2, full match, on
 * the path without its query.
 */
export const PathMatch = z.strictObject({ kind: z.enum(['exact', 'prefix', 'regex']), value: z.string() })
export type PathMatch = z.infer<typeof PathMatch>

/** A header or query parameter; header names are in lower case. `regex`: RE2, full match. */
export const NamedMatch = z.strictObject({
  name: z.string(),
  kind: z.enum(['exact', 'regex']),
  value: z.string(),
})
export type NamedMatch = z.infer<typeof NamedMatch>

/** All parts must hold. */
export const RouteMatch = z.strictObject({
  source: Source,
  path: PathMatch,
  method: z.string().optional(),
  headers: z.array(NamedMatch),
  query: z.array(NamedMatch),
})
export type RouteMatch = z.infer<typeof RouteMatch>

const Field = z.strictObject({ name: z.string(), value: z.string() })
const Fields = { set: z.array(Field), add: z.array(Field), remove: z.array(z.string()) }
/** `prefix` replaces what the route's prefix match matched. */
const PathChange = z.strictObject({ kind: z.enum(['full', 'prefix']), value: z.string() })

/** What is done to a request or its response on the way. In a rule: for all its backends. */
export const Filter = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('request-headers'), ...Fields }),
  z.strictObject({ kind: z.literal('response-headers'), ...Fields }),
  z.strictObject({
    kind: z.literal('redirect'),
    scheme: z.enum(['http', 'https']).optional(),
    host: z.string().optional(),
    path: PathChange.optional(),
    port: z.int().min(1).max(65535).optional(),
    status: z.union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)]),
  }),
  z.strictObject({ kind: z.literal('rewrite'), host: z.string().optional(), path: PathChange.optional() }),
])
export type Filter = z.infer<typeof Filter>

/** `service: null` = a reference that can't be followed: its share of requests is answered with 500. */
export const Backend = z.strictObject({
  service: ServicePort.nullable(),
  weight: z.int().min(0).max(1_000_000),
  filters: z.array(Filter),
})
export type Backend = z.infer<typeof Backend>

/** No backends and no redirect: every request is answered with 500. */
export const RouteRule = z.strictObject({
  source: Source,
  name: z.string().optional(),
  matches: z.array(RouteMatch).min(1),
  filters: z.array(Filter),
  backends: z.array(Backend),
  /** Milliseconds; 0 = none. */
  requestTimeout: z.int().min(0),
  backendTimeout: z.int().min(0),
})
export type RouteRule = z.infer<typeof RouteRule>

/**
 * The rules of one route object for one service. `port: null` = every port of it. `clients: null` =
 * for everyone; a namespace = for the workloads of that namespace alone (GAMMA's consumer route),
 * before what is for everyone.
 */
export const Route = z.strictObject({
  name: z.string(),
  namespace: z.string(),
  source: Source,
  /** RFC 3339; the oldest route wins where nothing else decides. Empty = unknown. */
  created: z.string(),
  service: z.strictObject({ namespace: z.string(), name: z.string(), port: z.int().nullable() }),
  clients: z.string().nullable(),
  rules: z.array(RouteRule),
})
export type Route = z.infer<typeof Route>
