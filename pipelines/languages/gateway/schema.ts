/**
 * HTTPRoute and ReferenceGrant as Heddle honours them, with the limits and patterns of their
 * resource definitions (config/crd/standard; `retry`, `cors` and the like: config/crd/experimental).
 * Refused fields stand in it, so that they are named. Of a Service only what routes ask of it is
 * read: the rest is Kubernetes' business.
 */
import { z } from 'zod'
import { UNSUPPORTED, UNSUPPORTED_FILTERS, type UnsupportedField } from './features.ts'

const MAX_RULES = 16
const MAX_MATCHES = 64
/** Of one match, or of one filter's lists. */
const MAX_FIELDS = 16
const MAX_FILTERS = 16
const MAX_BACKENDS = 16
const MAX_PARENTS = 32
const MAX_GRANTS = 16
/** Origins or headers of a CORS filter. */
const MAX_CORS = 64
/** Of a `format: int32`. */
const MAX_SECONDS = 2 ** 31 - 1

const refused = (field: UnsupportedField) =>
  z.never().optional().describe(`Not honoured by Heddle: ${UNSUPPORTED[field]}.`)

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const Namespace = z.string().min(1).max(63).regex(LABEL, 'no name of a namespace')
const Group = z
  .string()
  .max(253)
  .regex(new RegExp(`^$|${SUBDOMAIN.source}`), 'no name of a group')
const Kind = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/, 'no name of a kind')
const ObjectName = z.string().min(1).max(253)
const Port = z.int().min(1).max(65535)
const HeaderName = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/, 'no name of a header or parameter')
/** The definition's pattern, said without its ambiguity: a reader that backtracks would never end. */
const HeaderValue = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^[!-~]+(?:[\t ][!-~]+)*$/, 'printable ASCII, single blanks between')
const Hostname = z.string().min(1).max(253).regex(SUBDOMAIN, 'no name of a host')
const Duration = z
  .string()
  .regex(/^([0-9]{1,5}(h|m|s|ms)){1,4}$/, 'no duration: write it like 1m30s or 500ms')

const Metadata = z.strictObject({
  name: z.string().min(1).max(253).regex(SUBDOMAIN, 'no name of an object'),
  namespace: Namespace.optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  creationTimestamp: z.iso.datetime({ offset: true }).optional(),
})

const ParentRef = z.strictObject({
  group: Group.default('gateway.networking.k8s.io'),
  kind: Kind.default('Gateway'),
  namespace: Namespace.optional(),
  name: ObjectName,
  sectionName: z.string().min(1).max(253).regex(SUBDOMAIN, 'no name of a section').optional(),
  port: Port.optional(),
})
export type ParentRef = z.infer<typeof ParentRef>
export const ParentRefs = z.array(ParentRef).max(MAX_PARENTS).default([])

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const

const PathMatch = z.strictObject({
  type: z.enum(['Exact', 'PathPrefix', 'RegularExpression']).default('PathPrefix'),
  value: z.string().max(1024).default('/'),
})
export type PathMatch = z.infer<typeof PathMatch>
const named = (value: z.ZodString) =>
  z.strictObject({
    type: z.enum(['Exact', 'RegularExpression']).default('Exact'),
    name: HeaderName,
    value,
  })
const HeaderMatch = named(HeaderValue)
const QueryMatch = named(z.string().min(1).max(1024))
export type NamedMatch = z.infer<typeof QueryMatch>

export const Match = z.strictObject({
  path: PathMatch.prefault({}),
  headers: z.array(HeaderMatch).max(MAX_FIELDS).default([]),
  queryParams: z.array(QueryMatch).max(MAX_FIELDS).default([]),
  method: z.enum(METHODS).optional(),
})
export type Match = z.infer<typeof Match>

const Header = z.strictObject({ name: HeaderName, value: HeaderValue })
const HeaderFilter = z.strictObject({
  set: z.array(Header).max(MAX_FIELDS).default([]),
  add: z.array(Header).max(MAX_FIELDS).default([]),
  remove: z.array(HeaderName).max(MAX_FIELDS).default([]),
})

const PathModifier = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ReplaceFullPath'), replaceFullPath: z.string().max(1024) }),
  z.strictObject({ type: z.literal('ReplacePrefixMatch'), replacePrefixMatch: z.string().max(1024) }),
])
export type PathModifier = z.infer<typeof PathModifier>

const Redirect = z.strictObject({
  scheme: z.enum(['http', 'https']).optional(),
  hostname: Hostname.optional(),
  path: PathModifier.optional(),
  port: Port.optional(),
  statusCode: z
    .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)])
    .default(302),
})
const Rewrite = z.strictObject({ hostname: Hostname.optional(), path: PathModifier.optional() })

const Origin = z
  .string()
  .min(1)
  .max(253)
  .regex(
    /^(\*|https?:\/\/((\*\.)?([a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|\*)(:[0-9]{1,5})?)$/,
    'no origin: write it like https://example.com, https://*.example.com:8443 or *',
  )
const Cors = z.strictObject({
  allowOrigins: z.array(Origin).max(MAX_CORS).default([]),
  allowCredentials: z.boolean().default(false),
  allowMethods: z
    .array(z.enum([...METHODS, '*']))
    .max(METHODS.length)
    .default([]),
  allowHeaders: z.array(HeaderName).max(MAX_CORS).default([]),
  exposeHeaders: z.array(HeaderName).max(MAX_CORS).default([]),
  maxAge: z.int().min(1).max(MAX_SECONDS).default(5),
})

const SUPPORTED_FILTERS = [
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestRedirect',
  'URLRewrite',
  'CORS',
] as const
const RouteFilter = z.strictObject({
  type: z.enum([
    ...SUPPORTED_FILTERS,
    ...(Object.keys(UNSUPPORTED_FILTERS) as (keyof typeof UNSUPPORTED_FILTERS)[]),
  ]),
  requestHeaderModifier: HeaderFilter.optional(),
  responseHeaderModifier: HeaderFilter.optional(),
  requestRedirect: Redirect.optional(),
  urlRewrite: Rewrite.optional(),
  cors: Cors.optional(),
  requestMirror: refused('requestMirror'),
  externalAuth: refused('externalAuth'),
  extensionRef: refused('extensionRef'),
})
export type RouteFilter = z.infer<typeof RouteFilter>

const BackendRef = z.strictObject({
  group: Group.default(''),
  kind: Kind.default('Service'),
  namespace: Namespace.optional(),
  name: ObjectName,
  port: Port.optional(),
  weight: z.int().min(0).max(1_000_000).default(1),
  filters: z.array(RouteFilter).max(MAX_FILTERS).default([]),
})

const Retry = z.strictObject({
  codes: z.array(z.int().min(400).max(599)).default([]),
  attempts: z.int().min(1).optional(),
  backoff: Duration.optional(),
})

const Rule = z.strictObject({
  name: z.string().min(1).max(253).regex(SUBDOMAIN, 'no name of a rule').optional(),
  matches: z.array(Match).max(MAX_MATCHES).default([]),
  filters: z.array(RouteFilter).max(MAX_FILTERS).default([]),
  backendRefs: z.array(BackendRef).max(MAX_BACKENDS).default([]),
  timeouts: z.strictObject({ request: Duration.optional(), backendRequest: Duration.optional() }).default({}),
  retry: Retry.optional(),
  sessionPersistence: refused('sessionPersistence'),
})
export type Rule = z.infer<typeof Rule>

const RouteSpec = z.strictObject({
  parentRefs: ParentRefs,
  rules: z.array(Rule).min(1).max(MAX_RULES).prefault([{}]),
  hostnames: refused('hostnames'),
  useDefaultGateways: refused('useDefaultGateways'),
})
export const HTTPRoute = z.strictObject({
  apiVersion: z.enum(['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1']),
  kind: z.literal('HTTPRoute'),
  metadata: Metadata,
  spec: RouteSpec.prefault({}),
  status: refused('status'),
})
export type HTTPRoute = z.infer<typeof HTTPRoute>

const GrantFrom = z.strictObject({ group: Group, kind: Kind, namespace: Namespace })
const GrantTo = z.strictObject({ group: Group, kind: Kind, name: ObjectName.optional() })
export const ReferenceGrant = z.strictObject({
  apiVersion: z.enum(['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1']),
  kind: z.literal('ReferenceGrant'),
  metadata: Metadata,
  spec: z.strictObject({
    from: z.array(GrantFrom).min(1).max(MAX_GRANTS),
    to: z.array(GrantTo).min(1).max(MAX_GRANTS),
  }),
})

const ServicePort = z.looseObject({
  name: z.string().optional(),
  port: Port,
  protocol: z.string().default('TCP'),
  appProtocol: z.string().optional(),
})
export const Service = z.looseObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Service'),
  metadata: z.looseObject({ name: ObjectName, namespace: Namespace.optional() }),
  spec: z
    .looseObject({
      type: z.string().default('ClusterIP'),
      clusterIP: z.string().optional(),
      ports: z.array(ServicePort).default([]),
    })
    .prefault({}),
})

const OBJECTS: { shape: object }[] = [
  HTTPRoute,
  Metadata,
  RouteSpec,
  ParentRef,
  Rule,
  Match,
  PathMatch,
  HeaderMatch,
  RouteFilter,
  HeaderFilter,
  Redirect,
  Rewrite,
  Cors,
  Retry,
  BackendRef,
  ReferenceGrant,
  GrantFrom,
  GrantTo,
]
const MORE = ['replaceFullPath', 'replacePrefixMatch', 'request', 'backendRequest', 'from', 'to']

/** Every field name of the dialect, for "did you mean". */
export const FIELDS: readonly string[] = [
  ...new Set([...OBJECTS.flatMap(({ shape }) => Object.keys(shape)), ...MORE]),
].filter((field) => !Object.hasOwn(UNSUPPORTED, field))
