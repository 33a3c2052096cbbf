/** The kernel's routing against the walked tables and the evaluator: same rule, same backend, same bytes. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { RouteReason } from '../../../bpf/abi/heddle.gen.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { applyEdits, requestEdits } from '../../../pipelines/policy/route-edits.ts'
import { evaluateRoute } from '../../../pipelines/policy/route-evaluate.ts'
import { buildTables, type Tables } from '../../../pipelines/tables/build-tables.ts'
import { routeSetFor } from '../../../pipelines/tables/route-sets.ts'
import { RouteWalker } from '../../../pipelines/tables/route-walk.ts'
import { TablesWalker } from '../../../pipelines/tables/walk.ts'
import { type Asked, asked, routedSet } from './route-cases.ts'
import { buildRouter, type Router } from './route-harness.ts'
import { Random } from './streams.ts'

const SEED = 20_261_202
const SETS = process.env['HEDDLE_DEEP'] === '1' ? 4_000 : 120
const REQUESTS = 60

const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex')
const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))

const built = (set: PolicySet): Tables => {
  const result = buildTables(set)
  assert.ok(result.ok, result.ok ? '' : result.failures[0]?.message)
  return result.tables
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

  test('a header that comes twice is the relay’s only where it decides', async () => {
    const source = { file: 'r.yaml', line: 1, column: 1 }
    const rule = (path: string, name?: string) => ({
      source,
      filters: [],
      requestTimeout: 0,
      backendTimeout: 0,
      backends: [{ service: { namespace: 'n', name: 's', port: 80 }, weight: 1, filters: [] }],
      matches: [
        {
          source,
          path: { kind: 'prefix' as const, value: path },
          headers: name === undefined ? [] : [{ name, kind: 'exact' as const, value: '1' }],
          query: [],
        },
      ],
    })
    const tables = built({
      policies: [],
      routes: [
        {
          name: 'r',
          namespace: 'n',
          source,
          created: '',
          service: { namespace: 'n', name: 'echo', port: null },
          clients: null,
          rules: [rule('/free'), rule('/asks', 'x-a'), rule('/other', 'x-b')],
        },
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
})
