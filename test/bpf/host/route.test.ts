/** The kernel's routing against the walked tables and the evaluator: same rule, same backend, same bytes. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { RouteReason } from '../../../bpf/abi/heddle.gen.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import type { Route, RouteRule } from '../../../pipelines/policy/route.ts'
import { applyEdits, requestEdits } from '../../../pipelines/policy/route-edits.ts'
import { evaluateRoute } from '../../../pipelines/policy/route-evaluate.ts'
import { buildTables, type Tables } from '../../../pipelines/tables/build-tables.ts'
import { routeSetFor } from '../../../pipelines/tables/route-sets.ts'
import { RouteWalker } from '../../../pipelines/tables/route-walk.ts'
import { TablesWalker } from '../../../pipelines/tables/walk.ts'
import { type Asked, asked, parsed, routedSet } from './route-cases.ts'
import { buildRouter, type Router } from './route-harness.ts'
import { Random } from './streams.ts'

const SEED = 20_261_202
const SETS = process.env['HEDDLE_DEEP'] === '1' ? 2_000 : 120
const REQUESTS = 60
const MANY = 10_000
const KINDS = ['exact', 'prefix', 'regex'] as const
const source = { file: 'r.yaml', line: 1, column: 1 }

const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex')
const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))

const built = (set: PolicySet): Tables => {
  const result = buildTables(set)
  assert.ok(result.ok, result.ok ? '' : result.failures[0]?.message)
  return result.tables
}

const route = (rules: RouteRule[]): Route => ({
  name: 'r',
  namespace: 'n',
  source,
  created: '',
  service: { namespace: 'n', name: 'echo', port: null },
  clients: null,
  rules,
})

/** Requests under a path, with this header or parameter. */
const asking = (
  path: string,
  part: 'headers' | 'query' | null = null,
  [name, value] = ['', '1'],
): RouteRule => {
  const named = [{ name: name as string, kind: 'exact' as const, value: value as string }]
  const match = { source, path: { kind: 'prefix' as const, value: path }, headers: [], query: [] }
  return {
    source,
    filters: [],
    requestTimeout: 0,
    backendTimeout: 0,
    backends: [{ service: { namespace: 'n', name: 's', port: 80 }, weight: 1, filters: [] }],
    matches: [part === null ? match : { ...match, [part]: named }],
  }
}

/** What the kernel should say, and the kind of it. */
function expected(set: PolicySet, walker: RouteWalker, number: number, question: Asked): [string, string] {
  const { request, text, random } = question
  const reason = walker.slow(number, request)
  if (reason !== 0) return [`slow:${reason}`, 'slow']
  const rule = walker.find(number, request)
  if (rule === undefined) return ['none', 'none']
  const backend = walker.backendAt(rule, random)
  if (backend === 0) return ['status:500', 'status']
  const outcome = evaluateRoute(set, question, random)
  const head =
    outcome.kind === 'forward'
      ? applyEdits(latin1(text), requestEdits(latin1(text), outcome.request))
      : latin1(text)
  return [`rule:${rule.at} backend:${backend} ${Buffer.from(head).toString('hex')}`, outcome.kind]
}

describe('routes, as the kernel finds them', () => {
  let router: Router
  before(async () => {
    router = await buildRouter()
  })
  after(() => router?.remove())

  test('agree with the walked tables, and heads with the evaluator, byte for byte', async (context) => {
    const random = new Random(SEED)
    const seen = new Map<string, number>()
    const commands: string[] = []
    const wanted: { answer: string; question: Asked; set: PolicySet }[] = []
    for (let n = 0; n < SETS; n++) {
      const set = routedSet(random)
      const tables = built(set)
      const walker = new RouteWalker(new TablesWalker(tables.blob))
      commands.push(`load ${await router.tables(tables.blob)}`)
      for (let i = 0; i < REQUESTS; i++) {
        const question = asked(random)
        const number = routeSetFor(tables.routes, question.service, question.client)
        if (number === undefined) continue
        const [answer, kind] = expected(set, walker, number, question)
        seen.set(kind, (seen.get(kind) ?? 0) + 1)
        commands.push(`ask ${number} ${question.random} ${hex(question.text)}`)
        wanted.push({ answer, question, set })
      }
    }
    const answers = await router.run(commands)
    assert.equal(answers.length, wanted.length)
    for (const [i, { answer, question, set }] of wanted.entries())
      assert.equal(answers[i], answer, `${JSON.stringify(question)} of ${JSON.stringify(set.routes)}`)
    context.diagnostic(`${wanted.length} requests: ${JSON.stringify(Object.fromEntries(seen))}`)
    for (const kind of ['slow', 'none', 'status', 'forward', 'redirect'])
      assert.ok((seen.get(kind) ?? 0) > wanted.length / 200, `${kind}: only ${seen.get(kind)}`)
  })

  test(`${MANY} routes: each goes where it says`, async () => {
    const service = (name: string) => ({ namespace: 'n', name, port: 80 })
    const matches = Array.from({ length: MANY }, (_, i) => ({
      source,
      path: { kind: KINDS[i % 3] as 'exact', value: `/shop-${i >> 1}/cart${i % 3 === 2 ? '/[0-9]+' : ''}` },
      ...(i % 2 === 0 ? { method: 'POST' } : {}),
      headers: i % 5 === 0 ? [{ name: 'x-tenant', kind: 'exact' as const, value: `t${i % 97}` }] : [],
      query: i % 7 === 0 ? [{ name: 'v', kind: 'exact' as const, value: `${i % 13}` }] : [],
    }))
    const rules = matches.map((match, i) => ({
      source,
      matches: [match],
      filters: [],
      backends: [{ service: service(`b${i}`), weight: 1, filters: [] }],
      requestTimeout: 0,
      backendTimeout: 0,
    }))
    const set = { policies: [], routes: [route(rules)] }
    const tables = built(set)
    const walker = new RouteWalker(new TablesWalker(tables.blob))
    const random = new Random(SEED + 1)
    const questions = Array.from({ length: 3_000 }, () => {
      const near = (random.below(MANY) >> 1) + random.below(2)
      const path = `/shop-${near}/cart${random.pick(['', '', '/7', '/', '/x'])}`
      const query = random.pick(['', '', `?v=${random.below(13)}`, '?w&v=1'])
      const tenant = random.chance(50) ? `X-Tenant: t${random.below(97)}\r\n` : ''
      const text = `${random.pick(['GET', 'POST'])} ${path}${query} HTTP/1.1\r\nHost: h\r\n${tenant}\r\n`
      return { text, request: parsed(text), service: service('echo'), client: null, random: 0 }
    })
    const answers = await router.run([
      `load ${await router.tables(tables.blob)}`,
      ...questions.map(({ text }) => `ask 0 0 ${hex(text)}`),
    ])
    // Nothing is filtered: heads go on as they came, whatever the routes.
    let forwarded = 0
    for (const [i, question] of questions.entries()) {
      assert.equal(answers[i], expected({ policies: [], routes: [] }, walker, 0, question)[0], question.text)
      if (answers[i] !== 'none') forwarded++
      if (i % 100 !== 0) continue
      const step = walker.follow(0, { request: question.request, port: 80 }, 0)
      const outcome = evaluateRoute(set, question, 0)
      assert.equal(step.kind, outcome.kind)
      if (step.kind === 'forward' && outcome.kind === 'forward')
        assert.deepEqual(tables.services[step.service], outcome.service)
    }
    assert.ok(forwarded > 500 && forwarded < 2_500, `${forwarded} forwarded`)
  })

  test('a header that comes twice is the relay’s only where it decides', async () => {
    const tables = built({
      policies: [],
      routes: [
        route([
          asking('/free'),
          asking('/asks', 'headers', ['x-a', '1']),
          asking('/other', 'headers', ['x-b', '1']),
        ]),
      ],
    })
    const ask = (path: string) =>
      `ask 0 0 ${hex(`GET ${path} HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-B: 1\r\nx-a:2\r\n\r\n`)}`
    const answers = await router.run([
      `load ${await router.tables(tables.blob)}`,
      ...['/free', '/asks', '/other', '/none'].map(ask),
    ])
    const words = answers.map((answer) => answer.split(' ')[0]?.replace(/rule:\d+/, 'rule'))
    assert.deepEqual(words, ['rule', `slow:${RouteReason.ROUTE_REPEATED}`, 'rule', 'none'])
  })

  test('a parameter’s value is what stands behind its first equals sign, up to an ampersand', async () => {
    const rules = [asking('/', 'query', ['a', '1=2']), asking('/', 'query', ['b', ''])]
    const { blob } = built({ policies: [], routes: [route(rules)] })
    const queries = [
      'a=1=2',
      'a=12',
      'a=1=2&a=3',
      'a=3&a=1=2',
      'c&a=1=2',
      'c=a=1=2',
      'b',
      'b=',
      'b=&b=1',
      'b=1',
      'bb',
      '?b',
    ]
    const answers = await router.run([
      `load ${await router.tables(blob)}`,
      ...queries.map((query) => `ask 0 0 ${hex(`GET /?${query} HTTP/1.1\r\nHost: h\r\n\r\n`)}`),
    ])
    const taken = queries.filter((_, i) => answers[i]?.startsWith('rule'))
    assert.deepEqual(taken, ['a=1=2', 'a=1=2&a=3', 'c&a=1=2', 'b', 'b=', 'b=&b=1'])
  })
})
