/** Heddle means by an HTTPRoute what the Gateway API's conformance tests ask for: the reference evaluator. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { millisecondsOf } from '../../pipelines/languages/durations.ts'
import { utf8 } from '../../pipelines/bytes.ts'
import { applyEdits, requestEdits, responseEdits } from '../../pipelines/policy/route-edits.ts'
import { evaluateRoute, RANDOM_END, type Forward } from '../../pipelines/policy/route-evaluate.ts'
import { retryWait } from '../../pipelines/policy/route-retry.ts'
import { byteText } from '../../pipelines/protocols/http1-grammar.ts'
import { parseHttp1 } from '../../pipelines/protocols/http1.ts'
import { type Case, caseTest, type CaseTest, ownCaseTest } from './gateway-cases.ts'
import { differences, type Fields, type Seen } from './gateway-check.ts'
import { hasCorpus, httpRouteTests, isMesh } from './gateway-corpus.ts'
import { type Line, sumOf, table } from './gateway-table.ts'

const lines = (fields: Fields) => fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
/** Fields of a head that this test made, so of a simple one. */
const fieldsOf = (head: string): Fields =>
  head
    .split('\r\n')
    .slice(1, -2)
    .map((line) => line.split(': ', 2) as [string, string])

/** What a client hears of a server that fails as often as the query says; 200 = it answers in the end. */
function lastStatus(query: URLSearchParams, { retry }: Forward): number {
  const times = Number(query.get('succeedAfter') ?? 0)
  const code = query.get('responseCode')
  for (let tries = 1; tries <= times; tries++) {
    const tried = code === null ? 'no response' : Number(code)
    if (retryWait(retry, tries, tried) === undefined) return tried === 'no response' ? 503 : tried
  }
  return 200
}

/** The server of the conformance tests waits as long as the query says, then answers 200. */
function answered(item: Case, forward: Forward, head: Uint8Array): Seen {
  const query = new URL(item.request.target, 'http://x').searchParams
  const delay = query.get('delay')
  const waited = delay === null ? 0 : millisecondsOf(delay)
  const limits = [forward.requestTimeout, forward.backendTimeout].filter((limit) => limit > 0)
  if (limits.some((limit) => waited > limit)) return { status: 504, fields: [] }
  const status = lastStatus(query, forward)
  if (status !== 200) return { status, fields: [] }
  const request = byteText(applyEdits(head, requestEdits(head, forward.request)))
  const response = utf8(`HTTP/1.1 200 OK\r\n${lines(item.answer)}\r\n`)
  const [method = '', path = ''] = request.split(' ', 2)
  return {
    status: 200,
    fields: fieldsOf(byteText(applyEdits(response, responseEdits(response, forward.response)))),
    served: {
      backends: item.cluster.backends(forward.service),
      namespace: forward.service.namespace,
      path,
      method,
      fields: fieldsOf(request),
    },
  }
}

/** What client and server would see, said by the evaluator. */
function ask(item: Case, random: number): Seen {
  const { cluster, service, client, request } = item
  const head = utf8(`${request.method} ${request.target} HTTP/1.1\r\n${lines(request.fields)}\r\n`)
  const [parsed] = parseHttp1(head)
  assert.ok(parsed?.kind === 'head', item.name)
  const question = { service, client, request: parsed.request, endpoints: cluster.endpoints }
  const outcome = evaluateRoute(cluster.set, question, random)
  switch (outcome.kind) {
    case 'forward':
      return answered(item, outcome, head)
    case 'respond':
      return assert.fail('no HTTPRoute answers so')
    case 'redirect':
      return { status: outcome.status, fields: [['Location', outcome.location]] }
    case 'preflight':
      return { status: outcome.status, fields: outcome.fields.map(({ name, value }) => [name, value]) }
    case 'status':
      return { status: outcome.status, fields: [] }
  }
}

const DRAWS = 100
/** Random numbers that are as far from each other as they can be. */
const draws = Array.from({ length: DRAWS }, (_, index) => Math.floor(((index + 0.5) * RANDOM_END) / DRAWS))

function failuresOf(item: Case): string[] {
  const seen = draws.map((random) => ask(item, random))
  const failures = new Set(seen.flatMap((one) => differences(item, one)))
  for (const [backend, share] of Object.entries(item.shares ?? {})) {
    const hits = seen.filter(({ served }) => served?.backends?.includes(backend)).length
    if (Math.abs(hits / DRAWS - share) > 1 / DRAWS) failures.add(`${backend}: ${hits / DRAWS}, not ${share}`)
  }
  return [...failures].map((failure) => `${item.name}: ${failure}`)
}

function lineOf({ test: { shortName: name }, rows, cases, refused, absent }: CaseTest): Line {
  const failures = cases.map(failuresOf)
  const reasons = refused.map(({ reason }) => reason)
  return {
    name,
    pass: failures.filter(({ length }) => length === 0).length,
    refused: refused.reduce((sum, { rows: count }) => sum + count, 0),
    failed: failures.flat().map((failure) => `${name}: ${failure}`),
    absent: absent === undefined ? 0 : rows,
    why: (absent === undefined ? reasons : [`not in the corpus: ${absent}`]).join('; '),
  }
}

/** Rows that the corpus has manifests for, and that are not refused. */
const MESH_ROWS = 32
const GATEWAY_ROWS = 62

describe("the Gateway API's conformance rows", { skip: hasCorpus ? false : 'no corpus' }, () => {
  const tests = hasCorpus ? httpRouteTests().filter(({ tables }) => tables.length > 0) : []
  test('of a mesh: all pass', (context) => {
    const list = tests.filter(isMesh).map(caseTest).map(lineOf)
    for (const line of table(list)) context.diagnostic(line)
    const failed = list.flatMap((line) => line.failed)
    assert.deepEqual(failed, [])
    assert.equal(sumOf(list, 'refused'), 0)
    assert.ok(sumOf(list, 'pass') >= MESH_ROWS)
  })
  test('of Gateways, translated: none fails, every refusal has its reason', (context) => {
    const ordinary = tests.filter((item) => !isMesh(item))
    const list = ordinary.map(caseTest).map(lineOf)
    for (const line of table(list)) context.diagnostic(line)
    const failed = list.flatMap((line) => line.failed)
    assert.deepEqual(failed, [])
    assert.ok(list.every(({ refused, why }) => refused === 0 || why !== ''))
    assert.ok(sumOf(list, 'pass') >= GATEWAY_ROWS)
  })
  test('of tests whose manifests the corpus lacks, with routes of ours: all pass', (context) => {
    const own = tests.map(ownCaseTest).filter((item) => item !== undefined)
    const list = own.map(lineOf)
    for (const line of table(list)) context.diagnostic(line)
    assert.deepEqual(
      list.flatMap((line) => [...line.failed, line.why]).filter((text) => text !== ''),
      [],
    )
  })
})
