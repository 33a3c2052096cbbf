import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import type { Cors } from '../../../pipelines/policy/route-cors.ts'
import type { Retry, Route, RouteRule } from '../../../pipelines/policy/route.ts'
import { applyEdits, requestEdits, responseEdits } from '../../../pipelines/policy/route-edits.ts'
import { type Direct, evaluateRoute, type RouteOutcome } from '../../../pipelines/policy/route-evaluate.ts'
import { buildTables, type Tables } from '../../../pipelines/tables/build-tables.ts'
import { routeSetFor } from '../../../pipelines/tables/route-sets.ts'
import type { RouteStep } from '../../../pipelines/tables/route-step.ts'
import { RouteWalker } from '../../../pipelines/tables/route-walk.ts'
import { TablesWalker } from '../../../pipelines/tables/walk.ts'
import { type Asked, asked, parsed, routedSet } from '../../bpf/host/route-cases.ts'
import { Random } from '../../bpf/host/streams.ts'

const SEED = 20_261_201
const SETS = process.env['HEDDLE_DEEP'] === '1' ? 5_000 : 80
const REQUESTS = 40

const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))
const shown = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

/** The reply that stands for a redirect, before its own filters. */
const reply = (status: number, reason: string, location: string) =>
  latin1(
    `HTTP/1.1 ${status} ${reason}\r\nServer: heddle\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`,
  )
const REASONS = {
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
}
const PHRASES: Record<number, string> = {
  200: 'OK',
  204: 'No Content',
  400: 'Bad Request',
  404: 'Not Found',
  503: 'Service Unavailable',
}
/** A direct response, and what the route does to it as to any other. */
function direct({ status, contentType, body, response }: Direct, head: boolean): string {
  const bytes = Buffer.from(body)
  const type = contentType === undefined ? '' : `Content-Type: ${contentType}\r\n`
  const length = status === 204 ? '' : `Content-Length: ${bytes.length}\r\n`
  const made = latin1(`HTTP/1.1 ${status} ${PHRASES[status] ?? ''}\r\nServer: heddle\r\n${type}${length}\r\n`)
  return shown(applyEdits(made, responseEdits(made, response))) + (head ? '' : bytes.toString('latin1'))
}
const RESPONSE = latin1('HTTP/1.1 200 OK\r\nX-A: 1\r\nx-b: 2\r\nServer: s\r\nUser-agent: x\r\n\r\n')

/** What becomes of the request, in bytes. */
function ofEvaluator(outcome: RouteOutcome, { text, request }: Asked): unknown {
  switch (outcome.kind) {
    case 'status':
      return outcome.status
    case 'redirect': {
      const made = reply(outcome.status, REASONS[outcome.status], outcome.location)
      return shown(applyEdits(made, responseEdits(made, outcome.response)))
    }
    case 'respond':
      return direct(outcome, shown(request.method) === 'HEAD')
    case 'preflight': {
      const lines = outcome.fields.map(({ name, value }) => `${name}: ${value}\r\n`).join('')
      return `HTTP/1.1 200 OK\r\nServer: heddle\r\nContent-Length: 0\r\n${lines}\r\n`
    }
    case 'forward':
      return [
        outcome.service,
        shown(applyEdits(latin1(text), requestEdits(latin1(text), outcome.request))),
        shown(applyEdits(RESPONSE, responseEdits(RESPONSE, outcome.response))),
        outcome.requestTimeout,
        outcome.backendTimeout,
        outcome.retry,
        outcome.delay,
        outcome.idleTimeout ?? 0,
      ]
  }
}

function ofTables(step: RouteStep, tables: Tables, { text }: Asked): unknown {
  switch (step.kind) {
    case 'status':
      return step.status
    case 'redirect':
    case 'respond':
    case 'preflight':
      return shown(step.reply)
    case 'forward':
      return [
        tables.services[step.service],
        shown(applyEdits(latin1(text), requestEdits(latin1(text), step.request))),
        shown(applyEdits(RESPONSE, responseEdits(RESPONSE, step.response))),
        step.rule.requestTimeout,
        step.rule.backendTimeout,
        step.retry,
        step.delay,
        step.idleTimeout,
      ]
  }
}

const ORIGINS = ['http://a.example', 'https://b.a.example:8443', 'https://a.example', 'null', 'http://x/']
const PATTERNS = [['*'], ['http://a.example'], ['https://*.a.example:8443', 'https://*'], []]
const NAMES = [['*'], [], ['X-A', 'x-b']]

function cors(random: Random): Cors {
  return {
    kind: 'cors',
    origins: random.pick(PATTERNS),
    credentials: random.chance(50),
    methods: random.pick([['*'], [], ['PUT', 'GET']]),
    headers: random.pick(NAMES),
    expose: random.pick(NAMES),
    maxAge: random.pick([1, 5, 2 ** 31 - 1]),
  }
}

function retry(random: Random): Retry {
  const codes = random.pick([[], [503], [500, 502, 404]])
  const budget = { percent: random.pick([0, 1, 10_000]), least: random.pick([0, 1_000]) }
  const bounded = random.chance(50) ? { budget } : {}
  return { codes, attempts: random.pick([1, 10]), backoff: random.pick([0, 60_000]), ...bounded }
}

/** Some rules with what only the relay does, for all their backends or for one. */
function withRelayParts(random: Random, set: PolicySet): PolicySet {
  const added = <T extends { filters: RouteRule['filters'] }>(of: T, percent: number): T =>
    random.chance(percent) ? { ...of, filters: [cors(random), ...of.filters] } : of
  const rule = (of: RouteRule): RouteRule => ({
    ...added(of, 50),
    backends: of.backends.map((backend) => added(backend, 10)),
    ...(random.chance(10) ? { retry: retry(random) } : {}),
    ...(random.chance(10) ? { idleTimeout: random.pick([0, 1, 60_000]) } : {}),
  })
  return { ...set, routes: set.routes.map((route): Route => ({ ...route, rules: route.rules.map(rule) })) }
}

/** The same request as a page of some origin has it sent, or asks before. */
function fromPage(random: Random, question: Asked): Asked {
  const [line = '', ...rest] = question.text.split('\r\n')
  const fields = [`Origin: ${random.pick(ORIGINS)}`]
  const preflight = random.chance(60)
  if (preflight)
    fields.push(`Access-Control-Request-Method: ${random.pick(['PUT', 'GET', 'PUT', 'a b', ''])}`)
  if (preflight) fields.push(`access-control-request-headers: ${random.pick(['x-a, x-c', '', 'a b', ',q,'])}`)
  const first = preflight ? line.replace(/^\S+/, 'OPTIONS') : line
  const text = [first, ...fields, ...rest].join('\r\n')
  return { ...question, text, request: parsed(text) }
}

const built = (set: PolicySet): Tables => {
  const result = buildTables(set)
  assert.ok(result.ok, result.ok ? '' : result.failures[0]?.message)
  return result.tables
}

test(`the walked tables route as the evaluator, on ${SETS} generated sets of routes`, () => {
  const random = new Random(SEED)
  const seen = new Map<string, number>()
  for (let n = 0; n < SETS; n++) {
    const set = withRelayParts(random, routedSet(random))
    const tables = built(set)
    const walker = new RouteWalker(new TablesWalker(tables.blob))
    for (let i = 0; i < REQUESTS; i++) {
      const plain = asked(random)
      const question = random.chance(50) ? fromPage(random, plain) : plain
      const outcome = evaluateRoute(set, question, question.random)
      const number = routeSetFor(tables.routes, question.service, question.client)
      const kind = outcome.kind === 'status' ? String(outcome.status) : outcome.kind
      seen.set(kind, (seen.get(kind) ?? 0) + 1)
      if (number === undefined) {
        assert.ok(outcome.kind === 'forward' && outcome.deciding === undefined)
        continue
      }
      const { port } = question.service
      const step = walker.follow(number, { request: question.request, port }, question.random)
      assert.deepEqual(
        ofTables(step, tables, question),
        ofEvaluator(outcome, question),
        `${JSON.stringify(question)} of set ${n}: ${JSON.stringify(set.routes)}`,
      )
    }
  }
  // A generator that only makes one kind would prove nothing.
  for (const [kind, count] of seen) assert.ok(count > (SETS * REQUESTS) / 100, `${kind}: only ${count}`)
  assert.deepEqual([...seen.keys()].sort(), ['404', '500', 'forward', 'preflight', 'redirect', 'respond'])
})
