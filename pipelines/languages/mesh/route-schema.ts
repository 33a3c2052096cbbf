/** `service` and `routes` of a MeshPolicy: their form (schema.ts has the rest of the language). */
import { z } from 'zod'
import { FAILURE_OBJECTS, Fault, Retry, Status, Timeout } from './failure-schema.ts'
import { field } from './schema-field.ts'

/** Routes of one policy: nobody reads more of them at once, and several policies may have one service. */
export const MAX_ROUTES = 1024
/** Services that one route splits its requests among: a comparison each, 16 in an HTTPRoute. */
export const MAX_DESTINATIONS = 64
/** Entries of one list of headers, as in an HTTPRoute. */
const MAX_FIELDS = 16
/** Origins, or headers, of `cors`, as in an HTTPRoute. */
const MAX_CORS = 64
/** Of an age in seconds: 2^31 - 1 is what caches hold (RFC 9111 1.2.2). */
const MAX_SECONDS = 2 ** 31 - 1

const SERVICE = /^[a-z]([-a-z0-9]*[a-z0-9])?$/
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const HOST = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/
/** Printable ASCII with single blanks inside: what every server reads alike. */
const VALUE = /^[!-~]+(?:[\t ][!-~]+)*$/
const ORIGIN = /^(\*|https?:\/\/((\*\.)?([a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|\*)(:[0-9]{1,5})?)$/

const Name = z.string().max(63).regex(SERVICE, 'no name of a Service: lower case letters, digits and -')
const Namespace = z
  .string()
  .max(63)
  .regex(LABEL, 'no name of a namespace: lower case letters, digits and -')
  .optional()
const Port = z.int().min(1).max(65535)
const HeaderName = z.string().max(256).regex(TOKEN, 'no name of a header')
const Host = z.string().max(253).regex(HOST, 'no name of a host: lower case letters, digits, - and .')
const Path = z.string().min(1).max(1024)

const ServiceRef = z
  .strictObject({
    name: field(Name, 'Its name.', 'cart'),
    namespace: field(
      Namespace,
      'Without it the one of the policy. Of another namespace, only clients in the namespace of the policy meet the routes, and they instead of those that are for everyone.',
      'shop',
    ),
    port: field(Port.optional(), 'Without it every port.', 80),
  })
  .meta({ id: 'ServiceRef', description: 'A Service, as its clients call it.' })

const HeaderValue = z
  .strictObject({
    name: field(HeaderName, 'In any case; written as it stands here.', 'x-version'),
    value: field(
      z.string().max(4096).regex(VALUE, 'printable ASCII, single blanks between'),
      'The whole value.',
      'v2',
    ),
  })
  .meta({ id: 'HeaderValue', description: 'A header with its value.' })
const values = z.array(HeaderValue).min(1).max(MAX_FIELDS).optional()

const HeaderChanges = z
  .strictObject({
    remove: field(z.array(HeaderName).min(1).max(MAX_FIELDS).optional(), 'First: every line of these.', [
      'x-internal',
    ]),
    set: field(values, 'Then: one line each, in place of those that were there.', [
      { name: 'x-version', value: 'v2' },
    ]),
    add: field(values, 'Last: a line each, behind those that are there.', [
      { name: 'via', value: '1.1 heddle' },
    ]),
  })
  .meta({
    id: 'HeaderChanges',
    description: 'What is done to the headers of a message, but for those that frame it or tell its host.',
  })
export type HeaderChanges = z.infer<typeof HeaderChanges>

const changes = (whose: string) =>
  field(HeaderChanges.optional(), whose, { set: [{ name: 'x-version', value: 'v2' }] })

const Destination = z
  .strictObject({
    service: field(Name, 'The name of a Service.', 'cart-v2'),
    namespace: field(
      Namespace,
      'Without it the one of the policy. For one that is neither that nor the namespace of `spec.service`, a ReferenceGrant from MeshPolicy is needed.',
      'shop',
    ),
    port: field(Port, 'Of the Service.', 80),
    weight: field(
      z.int().min(0).max(1_000_000).optional(),
      'Its part of the sum of weights; usual: 1. 0 gets no request.',
      10,
    ),
    requestHeaders: changes('Of requests that go there, behind what the route itself changes.'),
    responseHeaders: changes('Of responses that come from there, likewise.'),
  })
  .meta({ id: 'Destination', description: 'Where requests go: to the endpoints of a Service.' })
export type Destination = z.infer<typeof Destination>

const NEW_PATH = {
  path: field(Path.optional(), 'In place of the whole path; the query stays.', '/v2'),
  prefix: field(
    Path.optional(),
    'In place of what `path: {prefix: …}` matched, which every alternative of the match then has.',
    '/v2',
  ),
}
const NewHost = Host.optional()

const Redirect = z
  .strictObject({
    status: field(z.literal([301, 302, 303, 307, 308]).optional(), 'Usual: 302.', 301),
    scheme: field(z.enum(['http', 'https']).optional(), 'Without it the one that was asked.', 'https'),
    host: field(NewHost, 'Without it the one that was asked.', 'shop.example.com'),
    port: field(Port.optional(), 'Without it that of `scheme`, or the one that was asked.', 8443),
    ...NEW_PATH,
  })
  .meta({
    id: 'Redirect',
    description: 'The place that clients are sent to; what is not written stays as it was asked.',
  })
export type Redirect = z.infer<typeof Redirect>

const Rewrite = z
  .strictObject({ host: field(NewHost, 'In place of Host.', 'cart.internal'), ...NEW_PATH })
  .meta({
    id: 'Rewrite',
    description: 'What the server reads in place of what the client asked.',
    minProperties: 1,
  })
export type Rewrite = z.infer<typeof Rewrite>

const names = z.array(HeaderName).max(MAX_CORS).optional()
const Cors = z
  .strictObject({
    allowOrigins: field(
      z
        .array(
          z
            .string()
            .max(253)
            .regex(ORIGIN, 'no origin: write it like https://example.com, https://*.example.com:8443 or *'),
        )
        .max(MAX_CORS),
      'Origins of pages that may read responses; `*` is all.',
      ['https://shop.example.com'],
    ),
    allowMethods: field(
      z.array(z.string().max(32).regex(TOKEN, 'no method')).max(16).optional(),
      'Methods that they may use besides GET, HEAD and POST; `*` is all.',
      ['PUT'],
    ),
    allowHeaders: field(names, 'Headers that they may send; `*` is all.', ['x-tenant']),
    exposeHeaders: field(names, 'Headers of responses that they may read.', ['x-version']),
    allowCredentials: field(z.boolean().optional(), 'With cookies and Authorization.', true),
    maxAge: field(
      z.int().min(1).max(MAX_SECONDS).optional(),
      'Seconds for which a permission may be kept; usual: 5.',
      600,
    ),
  })
  .meta({
    id: 'Cors',
    description:
      'Who may use responses from a page of another origin (Fetch 3.3): preflights are answered here.',
  })
export type Cors = z.infer<typeof Cors>

const Respond = z
  .strictObject({
    status: field(Status, 'Any but an interim one.', 503),
    contentType: field(
      z.string().max(256).regex(VALUE, 'printable ASCII, single blanks between').optional(),
      'Usual: `text/plain; charset=utf-8` where there is a body.',
      'application/json',
    ),
    body: field(
      z.string().optional(),
      'In UTF-8, 16,384 bytes at most; up to 1,024 are written by the kernel, more by the relay. HEAD gets its length alone.',
      '{"error": "closed"}',
    ),
  })
  .meta({
    id: 'Respond',
    description: 'An answer without a server; its other headers are `responseHeaders`.',
  })
export type Respond = z.infer<typeof Respond>

/** `match`: what schema.ts has for rules. */
export const routeSchema = <M extends z.ZodType>(match: M) =>
  z
    .strictObject({
      name: field(
        z.string().min(1).max(253).optional(),
        'For people; one route of a policy has it.',
        'canary',
      ),
      match: field(
        match.optional(),
        'Requests that take this route; without it all. `not`, `absent`, `cookies`, `mediaType`, `charset` and `contentEncoding` are for rules alone.',
        { path: { prefix: '/cart' }, headers: [{ name: 'x-canary', exact: '1' }] },
      ),
      to: field(
        z.array(Destination).min(1).optional().meta({ maxItems: MAX_DESTINATIONS }),
        'Where they go, by weight.',
        [
          { service: 'cart', port: 80, weight: 9 },
          { service: 'cart-v2', port: 80, weight: 1 },
        ],
      ),
      redirect: field(Redirect.optional(), 'Or: where their client is sent.', { scheme: 'https' }),
      respond: field(Respond.optional(), 'Or: what they are answered with.', { status: 404 }),
      rewrite: field(Rewrite.optional(), 'What servers read of them.', { prefix: '/' }),
      requestHeaders: changes('Of requests, on the way to servers.'),
      responseHeaders: changes('Of responses, on the way to clients.'),
      cors: field(Cors.optional(), 'Pages of other origins.', { allowOrigins: ['*'] }),
      timeout: field(Timeout.optional(), 'How long they may take.', { request: '10s', try: '2s' }),
      retry: field(Retry.optional(), 'When they are sent again.', { attempts: 2, codes: [503] }),
      fault: field(Fault.optional(), 'What goes wrong with them on purpose.', {
        delay: { duration: '250ms', percent: 10 },
      }),
    })
    .meta({ id: 'Route', description: 'Requests, and where they go: `to`, `redirect` or `respond`.' })

export const ServiceField = field(
  ServiceRef.optional(),
  'The Service that the policy is about, in place of `subject`: what requests of its clients meet before an endpoint is chosen.',
  { name: 'cart' },
)

/** For "did you mean". */
export const ROUTE_OBJECTS: { shape: object }[] = [
  ServiceRef,
  HeaderValue,
  HeaderChanges,
  Destination,
  Redirect,
  Rewrite,
  Cors,
  Respond,
  ...FAILURE_OBJECTS,
]
