/**
 * The route model: where a request to a service goes, whatever language said so.
 * A service without any route sends its requests to its own endpoints; one that has
 * routes answers 404 to what none of them matches (GEP-1294, Route presence).
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

/** As it is named everywhere. */
export function serviceText({ namespace, name, port }: ServicePort): string {
  return `${namespace}/${name}:${port}`
}

/**
 * On the target's bytes as sent, without its query. `prefix` is by segments: /a and /a/ both
 * match /a, /a/ and /a/b, not /ab; / matches every request. `regex`: RE2, full match.
 */
export const PathMatch = z.strictObject({ kind: z.enum(['exact', 'prefix', 'regex']), value: z.string() })
export type PathMatch = z.infer<typeof PathMatch>

/**
 * A header or query parameter; a header's name is in lower case, and no name stands twice in a
 * match. `regex`: RE2, full match. What is compared when a request repeats a name: route-match.ts.
 */
export const NamedMatch = z.strictObject({
  name: z.string(),
  kind: z.enum(['exact', 'regex']),
  value: z.string(),
})
export type NamedMatch = z.infer<typeof NamedMatch>

/** All parts must hold. Which match decides when several hold: route-precedence.ts. */
export const RouteMatch = z.strictObject({
  source: Source,
  path: PathMatch,
  method: z.string().optional(),
  headers: z.array(NamedMatch),
  query: z.array(NamedMatch),
})
export type RouteMatch = z.infer<typeof RouteMatch>

/** A name is compared without regard to case, and written as it stands here. */
export const Field = z.strictObject({ name: z.string(), value: z.string() })
export type Field = z.infer<typeof Field>
/** Done in this order: remove, set, add. None names a field that frames a message or tells its host. */
const Fields = { set: z.array(Field), add: z.array(Field), remove: z.array(z.string()) }
/** `prefix` replaces what the deciding match's prefix matched. */
const PathChange = z.strictObject({ kind: z.enum(['full', 'prefix']), value: z.string() })

/** Statuses of responses that have no body (RFC 9110 15.3.5, 15.3.6, 15.4.5). */
export const BODILESS: readonly number[] = [204, 205, 304]
/** Bytes of a direct response's body: a page that says what is wrong. What is longer is a server's to keep. */
export const MAX_RESPOND_BYTES = 16_384

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
  /** The request is answered with this and reaches no server: route-respond.ts has the bytes. */
  z
    .strictObject({
      kind: z.literal('respond'),
      status: z.int().min(200).max(599),
      contentType: z.string().optional(),
      body: z.string(),
    })
    .refine(
      ({ status, body }) => body === '' || !BODILESS.includes(status),
      'a response of this status has no body',
    ),
  z.strictObject({ kind: z.literal('rewrite'), host: z.string().optional(), path: PathChange.optional() }),
  /** Who may use responses from a page of another origin: route-cors.ts. A `*` stands for all. */
  z.strictObject({
    kind: z.literal('cors'),
    /** `https://*.example.com:8443`; without a port it is the scheme's own. */
    origins: z.array(z.string()),
    credentials: z.boolean(),
    methods: z.array(z.string()),
    headers: z.array(z.string()),
    expose: z.array(z.string()),
    /** Seconds for which the answer to a preflight may be kept. */
    maxAge: z.int().min(1),
  }),
])
export type Filter = z.infer<typeof Filter>
export type Redirect = Extract<Filter, { kind: 'redirect' }>
export type Respond = Extract<Filter, { kind: 'respond' }>

/** Bounds of retries: what one request may cost its endpoints, and how long a client may wait for nothing. */
export const MAX_RETRIES = 10
export const MAX_BACKOFF_MS = 60_000

/** Hundredths of a percent: all of it. */
export const WHOLE = 10_000
/** Longer than any client waits for a test of its patience. */
export const MAX_DELAY_MS = 60_000
const Percent = z.int().min(0).max(WHOLE)

/**
 * What goes wrong on purpose: a part of the requests that take the rule, drawn for each by itself. An aborted
 * request is answered with the status, whatever its backend, and not delayed; a delayed one is sent on
 * after that time, which is a part of the rule's request timeout. Details: route-fault.ts.
 */
export const Fault = z.strictObject({
  abort: z.strictObject({ status: z.int().min(200).max(599), percent: Percent }).optional(),
  /** Milliseconds. */
  delay: z.strictObject({ duration: z.int().min(1).max(MAX_DELAY_MS), percent: Percent }).optional(),
})
export type Fault = z.infer<typeof Fault>

/** Retries under way that a budget always leaves: more would be none. */
export const MAX_LEAST_RETRIES = 1_000

/**
 * How many requests to one service may be in their retries at a time: a part of all that are under way there
 * by rules with a budget, or `least` where that is more (Envoy's CircuitBreakers.Thresholds.RetryBudget).
 * Each relay counts for itself.
 */
export const RetryBudget = z.strictObject({
  percent: Percent,
  least: z.int().min(0).max(MAX_LEAST_RETRIES),
})
export type RetryBudget = z.infer<typeof RetryBudget>

/** When a request is sent again: route-retry.ts. */
export const Retry = z.strictObject({
  /** Statuses that are no answer yet. A request without a response is repeated whatever stands here. */
  codes: z.array(z.int().min(400).max(599)),
  /** How often, behind the first time. */
  attempts: z.int().min(1).max(MAX_RETRIES),
  /** Milliseconds to wait at least. */
  backoff: z.int().min(0).max(MAX_BACKOFF_MS),
  budget: RetryBudget.optional(),
})
export type Retry = z.infer<typeof Retry>

/** `service: null` = a reference that can't be followed: its share of requests is answered with 500. */
export const Backend = z.strictObject({
  service: ServicePort.nullable(),
  /** Of the sum of the rule's weights. 0 = no request. */
  weight: z.int().min(0).max(1_000_000),
  filters: z.array(Filter),
})
export type Backend = z.infer<typeof Backend>

function replacesPrefix(filter: Filter): boolean {
  return (filter.kind === 'redirect' || filter.kind === 'rewrite') && filter.path?.kind === 'prefix'
}

/** No redirect, no direct response and no backend, or none with a weight: every request is answered with 500. */
export const RouteRule = z
  .strictObject({
    source: Source,
    name: z.string().optional(),
    matches: z.array(RouteMatch).min(1),
    /** In the order in which they are done; a backend's own come behind them. */
    filters: z.array(Filter),
    backends: z.array(Backend),
    /** Milliseconds; 0 = none. */
    requestTimeout: z.int().min(0),
    backendTimeout: z.int().min(0),
    /** The same for as long as no byte comes from the endpoint or goes to it. */
    idleTimeout: z.int().min(0).optional(),
    retry: Retry.optional(),
    fault: Fault.optional(),
  })
  .refine(
    ({ matches, filters, backends }) =>
      matches.every(({ path }) => path.kind === 'prefix') ||
      ![...filters, ...backends.flatMap((backend) => backend.filters)].some(replacesPrefix),
    'a prefix is replaced where every match of the rule is by prefix',
  )
export type RouteRule = z.infer<typeof RouteRule>

/**
 * The rules of one route object for one service. `port: null` = every port of it. `clients: null` =
 * for everyone. A namespace = for the workloads of that namespace alone (GAMMA's consumer route),
 * and *instead* of what is for everyone: routes merge only with their like (GEP-1294, Multiple
 * routes for a Service).
 */
export const Route = z.strictObject({
  name: z.string(),
  namespace: z.string(),
  source: Source,
  /** RFC 3339; the oldest route wins where no match is better. Empty = not known: younger than any. */
  created: z.union([z.literal(''), z.iso.datetime({ offset: true })]),
  service: z.strictObject({ namespace: z.string(), name: z.string(), port: z.int().nullable() }),
  clients: z.string().nullable(),
  rules: z.array(RouteRule),
})
export type Route = z.infer<typeof Route>
