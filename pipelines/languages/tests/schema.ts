/**
 * `heddle.dev/v1 PolicyTest`: cases that must hold, as they are written beside the policies. Which
 * fields go together: question.ts and expectation.ts.
 */
import { z } from 'zod'
import { VERDICTS_OF } from '../../policy/policy-case.ts'

/** Cases of one document; who has more groups them by what they are about. */
const MAX_CASES = 1024
/** Characters of a case's name: it is a line of output. */
const MAX_NAME = 200

const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

const Namespace = z.string().max(63).regex(LABEL, 'no name of a namespace')
const Labels = z.record(z.string().min(1), z.string())
const Port = z.int().min(1).max(65535)
/** What would end a line could put another request behind this one. */
const Line = /^[^\r\n\0]*$/
const HeaderValue = z.string().regex(Line, 'a value is one line')
const HeaderName = z.string().regex(TOKEN, 'no name of a header')
/** The parser behind it says what is wrong with a target. */
const RequestLine = z
  .string()
  .regex(/^[^\s]+ [^\s]+$/, 'a request line is method and target, HTTP/1.1 is implied')

const Metadata = z.strictObject({
  name: z.string().min(1).max(253).regex(SUBDOMAIN, 'no name of an object'),
  namespace: Namespace.optional(),
})

const Request = z.strictObject({
  line: RequestLine,
  headers: z.record(HeaderName, z.union([HeaderValue, z.array(HeaderValue).min(1)])).optional(),
})

const From = z.strictObject({
  labels: Labels.optional(),
  namespace: Namespace.optional(),
  address: z.string().optional(),
})

const To = z.strictObject({ labels: Labels, port: Port.optional() })

const Service = z.strictObject({
  name: z.string().max(63).regex(LABEL, 'no name of a service'),
  namespace: Namespace.optional(),
  port: Port.optional(),
})

const Redirect = z.strictObject({
  status: z.int().min(300).max(399).optional(),
  location: z.string().optional(),
})

const REASONS = Object.keys(VERDICTS_OF) as (keyof typeof VERDICTS_OF)[]

const Expectation = z.strictObject({
  verdict: z.enum(['allow', 'deny', 'drop', 'pass']).optional(),
  reason: z.enum(REASONS).optional(),
  policy: z.string().min(1).optional(),
  line: z.int().min(1).optional(),
  status: z.int().min(100).max(599).optional(),
  audit: z.array(z.string().min(1).max(253)).max(32).optional(),
  forward: z
    .string()
    .regex(/^([a-z0-9][-a-z0-9]{0,62}\/)?[a-z0-9][-a-z0-9]{0,62}$/, 'a service is name or namespace/name')
    .optional(),
  port: Port.optional(),
  path: z
    .string()
    .regex(/^[^?]+$/, 'a path has no query')
    .optional(),
  host: z.string().optional(),
  requestHeaders: z.record(HeaderName, z.union([HeaderValue, z.array(HeaderValue)])).optional(),
  redirect: Redirect.optional(),
})
export type Expectation = z.infer<typeof Expectation>

const Case = z.strictObject({
  name: z.string().min(1).max(MAX_NAME).regex(Line, 'a name is one line'),
  request: Request.optional(),
  connect: z.literal(true).optional(),
  from: From.optional(),
  to: To.optional(),
  service: Service.optional(),
  random: z.number().min(0).lt(1).optional(),
  expect: Expectation,
})
export type Case = z.infer<typeof Case>

export const PolicyTest = z.strictObject({
  apiVersion: z.literal('heddle.dev/v1'),
  kind: z.literal('PolicyTest'),
  metadata: Metadata,
  cases: z.array(Case).min(1).max(MAX_CASES),
})

const OBJECTS: { shape: object }[] = [
  PolicyTest,
  Metadata,
  Case,
  Request,
  From,
  To,
  Service,
  Expectation,
  Redirect,
]

/** For findings of the schema. */
export const VOCABULARY = {
  fields: [...new Set(OBJECTS.flatMap(({ shape }) => Object.keys(shape)))],
  unsupported: {},
  inside: { request: 'a request has a line (GET /path) and headers; it is sent without a body' },
  schema: 'pipelines/languages/tests/README.md',
}
