/**
 * `heddle.dev/v1 MeshPolicy`: its form, and what people read of it. reference.gen.md (reference.ts) and
 * schema.gen.json (json-schema.ts) are made from the descriptions and examples here. What goes across
 * fields is checked where they are read.
 */
import { z } from 'zod'
import { LabelSelector, Metadata } from '../objects.ts'
import { BREAKER_OBJECTS, BreakerField } from './breaker-schema.ts'
import { Paths } from './paths-schema.ts'
import { MAX_ROUTES, ROUTE_OBJECTS, routeSchema, ServiceField } from './route-schema.ts'
import { field } from './schema-field.ts'
import { Mirror } from './schema-mirror.ts'

/** Rules of one policy: nobody reads more of them at once, and several policies may have one subject. */
export const MAX_RULES = 1024
/** Characters of a reason: two lines of a terminal, told with every verdict. */
export const MAX_REASON = 256
/** Entries of one rule's `ports`, as in a CiliumNetworkPolicy. */
export const MAX_PORTS = 40

const texts = (what: string) =>
  z.union([z.string(), z.array(z.string()).min(1)], { error: `write ${what}, or a list of them` }).optional()

const text = z.string().optional()
/** Written or not: there is no other way to say it. */
const flag = z.boolean().optional()

const PathMatch = z
  .strictObject({
    exact: field(text, 'The whole path.', '/login'),
    prefix: field(text, 'The path, or what lies below it; its last slash says nothing.', '/admin'),
    rawPrefix: field(text, 'What the path starts with, byte by byte.', '/admin-'),
    suffix: field(text, 'What the path ends with, byte by byte.', '.php'),
    regex: field(text, 'RE2 that fits the whole path.', '/v[0-9]+/users/[^/]*'),
  })
  .meta({
    id: 'PathMatch',
    description:
      'Exactly one of its fields. The path is the target without its query, as it is sent: nothing is decoded or normalised.',
    minProperties: 1,
    maxProperties: 1,
  })
export type PathMatch = z.infer<typeof PathMatch>

const NamedMatch = z
  .strictObject({
    name: field(
      z.string(),
      'Of the header (in any case), parameter or cookie. Alone it asks for presence.',
      'x-role',
    ),
    exact: field(text, 'The whole value.', 'admin'),
    prefix: field(text, 'What the value starts with.', 'adm'),
    suffix: field(text, 'What the value ends with.', 'min'),
    regex: field(text, 'RE2 that fits the whole value.', 'admin[0-9]*'),
    present: field(flag.meta({ const: true }), 'It is there, with any value.', true),
    absent: field(flag.meta({ const: true }), 'It is not there.', true),
  })
  .meta({
    id: 'NamedMatch',
    description: [
      'A name, and at most one of the other fields. Lines of one header are one list, a comma between them (RFC 9110 5.3).',
      'Of a parameter or cookie that is there again the first counts; parameters are compared as they are sent, not decoded.',
    ].join(' '),
    maxProperties: 2,
  })
export type NamedMatch = z.infer<typeof NamedMatch>

const named = z.array(NamedMatch).min(1).optional()

export const Match = z
  .strictObject({
    method: field(texts('a method'), 'Any of these methods.', 'GET', ['GET', 'HEAD']),
    path: field(PathMatch.optional(), 'The path of the target.', { prefix: '/admin' }),
    host: field(
      texts('a host'),
      'Any of these hosts, in any case; `*.` stands for one label or several; a port is compared only where one is written.',
      'api.example.com',
      ['*.example.com', 'localhost:8080'],
    ),
    headers: field(named, 'All of them hold.', [{ name: 'x-role', exact: 'admin' }]),
    query: field(named, 'Parameters of the target: all of them hold.', [{ name: 'debug', exact: '1' }]),
    cookies: field(named, 'All of them hold.', [{ name: 'session', present: true }]),
    mediaType: field(texts('a media type'), 'Any of these in Content-Type.', 'application/json', [
      'image/*',
      'video/*',
    ]),
    charset: field(texts('a charset'), 'Any of these in Content-Type.', 'utf-8', ['utf-8', 'us-ascii']),
    contentEncoding: field(texts('a coding'), 'Any of these in Content-Encoding.', 'gzip', ['gzip', 'br']),
    get all(): z.ZodOptional<z.ZodArray<typeof Match>> {
      return field(z.array(Match).min(1).optional(), 'Every one of these holds.', [
        { method: 'GET' },
        { host: 'a.test' },
      ])
    },
    get any(): z.ZodOptional<z.ZodArray<typeof Match>> {
      return field(z.array(Match).min(1).optional(), 'At least one of these holds.', [
        { method: 'PUT' },
        { path: { suffix: '.php' } },
      ])
    },
    get not(): z.ZodOptional<typeof Match> {
      return field(Match.optional(), 'This does not hold.', { path: { prefix: '/public' } })
    },
  })
  .meta({
    id: 'Match',
    description: 'What a request must satisfy: all fields hold. `{}` is every HTTP request.',
  })
export type Match = z.infer<typeof Match>

const Peer = z
  .strictObject({
    labels: field(LabelSelector.optional(), 'Workloads, of the namespace unless they ask for another.', {
      matchLabels: { app: 'gateway' },
    }),
    cidr: field(text, 'Addresses that are no workload.', '10.0.0.0/8'),
    except: field(z.array(z.string()).optional(), 'Addresses of `cidr` that are not meant.', ['10.1.0.0/16']),
  })
  .meta({ id: 'Peer', description: '`labels` or `cidr`.' })
export type Peer = z.infer<typeof Peer>

const Port = z.int().min(1).max(65535)
const PortRange = z
  .strictObject({
    from: field(Port, 'The first port.', 8000),
    to: field(Port, 'The last port, included.', 8100),
  })
  .meta({ id: 'PortRange', description: 'Ports of TCP.' })

const Ports = z
  .array(z.union([Port, PortRange], { error: 'write a number from 1 to 65535, or {from: 8000, to: 8100}' }))
  .min(1)
  .optional()
  .meta({ maxItems: MAX_PORTS })
export type Ports = NonNullable<z.infer<typeof Ports>>

const HeaderKey = z
  .strictObject({ header: field(z.string(), 'Its name; all of its lines are one value.', 'x-tenant') })
  .meta({ id: 'HeaderKey', description: 'What a header says; requests without it share a bucket.' })

const Limit = z
  .strictObject({
    bucket: field(
      z.enum(['token', 'leaky']).optional(),
      'A token bucket (usual) is filled at the rate and holds `burst`; a leaky one drains at the rate and holds `burst`. Both let the same requests pass; they differ in what `burst` is where it is not written.',
      'leaky',
    ),
    rate: field(z.int().min(1).max(1_000_000), 'So many requests …', 100),
    per: field(
      z.string().regex(/^[0-9]{1,5}(ms|s|m|h)$/, 'write a duration like 500ms, 1s, 5m or 1h'),
      '… in so much time, a day at most.',
      '1s',
    ),
    burst: field(
      z.int().min(1).max(1_000_000).optional(),
      'So many at once, after a pause. Usual: `rate` for a token bucket, 1 for a leaky one.',
      20,
    ),
    key: field(
      z
        .array(
          z.union([z.enum(['identity', 'path']), HeaderKey], {
            error: 'write identity, path or {header: x-tenant}',
          }),
        )
        .max(4)
        .optional(),
      'What has a bucket of its own: the workload that asks (of none, its address), the path without its query, what a header says, or any of these together. Without it all requests share one.',
      ['identity', { header: 'x-tenant' }],
    ),
  })
  .meta({
    id: 'Limit',
    description:
      'How many requests pass; what comes too often is answered with 429, Retry-After and RateLimit fields, and ends its connection. Each node counts for itself.',
  })
export type Limit = z.infer<typeof Limit>

const Rule = z
  .strictObject({
    name: field(
      z.string().min(1).max(253).optional(),
      'One rule of a policy has it. The buckets of a limit and the counts of an audit are known by it: they are kept when the policy changes.',
      'admin',
    ),
    action: field(
      z.enum(['allow', 'deny', 'limit', 'audit', 'mirror']),
      'What is denied is never allowed. A policy that allows anything makes its subject default-deny: what no policy allows is refused there. A limit counts what is allowed, a mirror copies it. An audit counts what it matches, allowed and refused, keeps samples of it, and never acts; it needs a name and a match.',
      'deny',
    ),
    limit: field(Limit.optional(), 'Of the action `limit`, which needs a name and a match as well.', {
      rate: 100,
      per: '1s',
      key: ['identity'],
    }),
    mirror: field(Mirror.optional(), 'Of the action `mirror`, which needs a match as well.', {
      to: 'payments-next',
      ratio: 0.1,
    }),
    reason: field(
      z.string().min(1).optional().meta({ maxLength: MAX_REASON }),
      'Why the rule is there, told with its verdicts.',
      'admin is for the inside',
    ),
    from: field(z.array(Peer).optional(), 'Any of these; without it everyone, `[]` no one.', [
      { labels: { matchLabels: { app: 'gateway' } } },
      { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] },
    ]),
    ports: field(Ports, 'Ports of TCP. Without `ports` and `match`: every port and protocol.', [
      80,
      { from: 8000, to: 8100 },
    ]),
    match: field(
      Match.optional(),
      'Requests, on `ports`. Without it connections: allowed ones pass unread, denied ones are dropped.',
      { method: 'GET', path: { prefix: '/admin' } },
    ),
  })
  .meta({ id: 'Rule', description: 'Who may ask what, or may not.' })
export type MeshRule = z.infer<typeof Rule>

const Route = routeSchema(Match)
export type MeshRoute = z.infer<typeof Route>

const Spec = z
  .strictObject({
    subject: field(LabelSelector.optional(), 'Workloads of the namespace that the policy is about.', {
      matchLabels: { app: 'api' },
    }),
    unparsed: field(
      z.enum(['refuse', 'pass']).optional(),
      'What TLS, HTTP/2 and all that is not HTTP/1 meets on ports that have a `match` (usual: `refuse`).',
      'pass',
    ),
    paths: field(Paths.optional(), 'Paths that servers read in more than one way.', {
      dotSegments: 'refuse',
    }),
    rules: field(
      z.array(Rule).min(1).optional().meta({ maxItems: MAX_RULES }),
      'Of a subject. Their order says nothing.',
      [{ action: 'allow', ports: [80], match: { method: 'GET' } }],
    ),
    service: ServiceField,
    routes: field(
      z.array(Route).min(1).optional().meta({ maxItems: MAX_ROUTES }),
      'Of a service. What decides is the match that says most, not their order; what none takes is answered with 404.',
      [{ match: { path: { prefix: '/cart' } }, to: [{ service: 'cart', port: 80 }] }],
    ),
    breaker: BreakerField,
  })
  .meta({
    id: 'Spec',
    description:
      'What the policy says: of workloads, `subject`, `rules`, `paths` and `unparsed`; or of a Service and the requests to it, `service` with `routes` or `breaker` or both.',
    oneOf: [
      { required: ['subject', 'rules'] },
      { required: ['service'], anyOf: [{ required: ['routes'] }, { required: ['breaker'] }] },
    ],
  })
export type Spec = z.infer<typeof Spec>

export const MeshPolicy = z
  .strictObject({
    apiVersion: field(z.literal('heddle.dev/v1'), 'The version of this page.', 'heddle.dev/v1'),
    kind: field(z.literal('MeshPolicy'), 'The kind of this page.', 'MeshPolicy'),
    metadata: field(Metadata, 'Its name, and notes.', { name: 'api', namespace: 'shop' }),
    spec: field(Spec, 'About whom it is, and what it says.', {
      subject: {},
      rules: [{ action: 'deny', from: [{ cidr: '192.0.2.0/24' }] }],
    }),
  })
  .meta({ description: 'Who may ask a workload what, and where requests to a service go.' })

export type MeshPolicy = z.infer<typeof MeshPolicy>

const OBJECTS: { shape: object }[] = [
  MeshPolicy,
  Metadata,
  Spec,
  Paths,
  Rule,
  Peer,
  PortRange,
  Limit,
  Mirror,
  HeaderKey,
  Match,
  PathMatch,
  NamedMatch,
  LabelSelector,
  Route,
  ...ROUTE_OBJECTS,
  ...BREAKER_OBJECTS,
]

/** Every field name of the language, for "did you mean". */
export const FIELDS: readonly string[] = [
  ...new Set([...OBJECTS.flatMap(({ shape }) => Object.keys(shape)), 'key', 'operator', 'values']),
]
