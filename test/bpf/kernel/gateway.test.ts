/**
 * The Gateway API's conformance rows through the real kernel: routes, services and clients of each test on one
 * node, real servers, and the check that the reference evaluator has to pass too (test/conformance).
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Case, type CaseTest, caseTest, oneTime, ownCaseTest } from '../../conformance/gateway-cases.ts'
import { differences, type Seen } from '../../conformance/gateway-check.ts'
import { hasCorpus, httpRouteTests, isMesh } from '../../conformance/gateway-corpus.ts'
import { type Line, sumOf, table } from '../../conformance/gateway-table.ts'
import { exchange, GatewayNode, type Way, type Ways } from './gateway-node.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import type { Connection } from './outbound-connection.ts'

/** What passes as soon as a pool has grown: the kernel takes such a request when it is asked again. */
const PASSING = /POOL|GONE|FOLLOWS|PIPELINED/
const TRIES = 100
/** Milliseconds between them. */
const PAUSE_MS = 5
/** Of a weighted row; a share of them differs by less than 0.1 in all but one of a million runs. */
const DRAWS = 500
const TOLERANCE = 0.1

/** Rows that the corpus has manifests for; nobody but the kernel sees one. */
const MESH_ROWS = 32
/** Why the relay may have a row for good: retries, CORS, timeouts. */
const FOR_GOOD = /^(kernel|relay: ROUTE)$/
/** Rows of Gateways that can be replayed, and that pass. */
const GATEWAY_SHARE = 0.8

function wayOf(before: Ways, now: Ways): Way {
  const grown = Object.entries(now).filter(([name, count]) => count > before[name as keyof Ways])
  const names = grown.map(([name]) => name)
  if (names.some((name) => name.startsWith('KERNEL_'))) return 'kernel'
  const why = names.find((name) => name !== 'SLOW_FOLLOWS') ?? names[0] ?? 'not counted'
  return `relay: ${why.replace('SLOW_', '')}`
}

type Result = { seen: Seen[]; failures: string[]; way: Way }

/** Asks until it is the kernel's to carry, or will never be; every answer must be right. */
async function replay(node: GatewayNode, row: Case): Promise<Result> {
  const connection = await node.open(row)
  const seen: Seen[] = []
  const failures = new Set<string>()
  let way: Way = 'relay: not counted'
  for (let tries = 0; tries < TRIES; tries++) {
    const before = node.ways()
    const item = oneTime(row)
    const one = await exchange(connection, item)
    way = wayOf(before, node.ways())
    seen.push(one)
    for (const difference of differences(item, one)) failures.add(difference)
    if (!PASSING.test(way)) break
    await sleep(PAUSE_MS)
  }
  for (const difference of await shares(connection, row)) failures.add(difference)
  connection.command('destroy')
  return { seen, failures: [...failures], way }
}

async function shares(connection: Connection, item: Case): Promise<string[]> {
  if (item.shares === undefined) return []
  const hits = new Map<string, number>()
  for (let draw = 0; draw < DRAWS; draw++) {
    const { served } = await exchange(connection, item)
    const backend = served?.backends?.[0] ?? 'none'
    hits.set(backend, (hits.get(backend) ?? 0) + 1)
  }
  return Object.entries(item.shares).flatMap(([backend, share]) => {
    const found = (hits.get(backend) ?? 0) / DRAWS
    return Math.abs(found - share) < TOLERANCE ? [] : [`${backend}: ${found}, not ${share}`]
  })
}

/** `ways`: of each row that was asked. */
type Replayed = Line & { ways: Way[] }

async function lineOf(node: GatewayNode, of: CaseTest): Promise<Replayed> {
  const { test: corpus, rows, cases, refused, absent } = of
  const name = corpus.shortName
  const results: (Result & { item: Case })[] = []
  const [first] = cases
  if (first !== undefined) {
    await node.become(
      first.cluster,
      cases.map(({ service }) => service),
    )
    for (const item of cases) results.push({ item, ...(await replay(node, item)) })
  }
  const ways = results.map(({ way }) => way)
  const reasons = refused.map(({ reason }) => reason)
  const told = absent === undefined ? [...reasons, ...summary(ways)] : [`not in the corpus: ${absent}`]
  return {
    name,
    pass: results.filter(({ failures }) => failures.length === 0).length,
    refused: refused.reduce((sum, { rows: count }) => sum + count, 0),
    failed: results.flatMap(({ item, failures }) =>
      failures.map((failure) => `${name}: ${item.name}: ${failure}`),
    ),
    absent: absent === undefined ? 0 : rows,
    why: told.join('; '),
    ways,
  }
}

function summary(ways: readonly Way[]): string[] {
  return [...new Set(ways)].map((way) => `${ways.filter((other) => other === way).length} × ${way}`)
}

const backendsOf = (cases: readonly Case[]) =>
  cases.flatMap(({ cluster }) => {
    const routed = cluster.set.routes.flatMap(({ rules }) => rules).flatMap(({ backends }) => backends)
    return [...routed.map(({ service }) => service), ...cases.map(({ service }) => service)].flatMap(
      (service) =>
        service === null
          ? []
          : (cluster.backends(service) ?? []).map((backend) => `${service.namespace}/${backend}`),
    )
  })

const skip = whyNoKernel() ?? (hasCorpus ? false : 'no corpus')

describe("the Gateway API's conformance rows through the kernel", { skip, concurrency: false }, () => {
  const tests = hasCorpus ? httpRouteTests().filter(({ tables }) => tables.length > 0) : []
  let all: CaseTest[]
  let own: CaseTest[]
  let node: GatewayNode
  before(async () => {
    all = tests.map(caseTest)
    own = tests.map(ownCaseTest).filter((item) => item !== undefined)
    const cases = [...all, ...own].flatMap((item) => item.cases)
    const backends = [...all, ...own].flatMap((item) => backendsOf(item.cases.slice(0, 1)))
    node = await GatewayNode.create([...new Set(cases.map(({ client }) => client))], [...new Set(backends)])
  })
  after(() => node?.close())

  const replayAll = async (context: { diagnostic(line: string): void }, items: readonly CaseTest[]) => {
    const list: Replayed[] = []
    for (const item of items) list.push(await lineOf(node, item))
    for (const line of table(list)) context.diagnostic(line)
    const ways = list.flatMap((line) => line.ways)
    const carried = ways.filter((way) => way === 'kernel').length
    context.diagnostic(`the kernel carried ${carried} of ${ways.length}`)
    assert.deepEqual(
      list.flatMap((line) => line.failed),
      [],
    )
    assert.deepEqual(
      ways.filter((way) => !FOR_GOOD.test(way)),
      [],
    )
    return { list, carried }
  }

  test('of a mesh: all pass', async (context) => {
    const { list, carried } = await replayAll(
      context,
      all.filter((item) => isMesh(item.test)),
    )
    assert.equal(sumOf(list, 'refused'), 0)
    assert.ok(sumOf(list, 'pass') >= MESH_ROWS)
    assert.equal(carried, sumOf(list, 'pass'))
  })

  test('of Gateways, translated: none fails, and all but a few pass', async (context) => {
    const { list } = await replayAll(
      context,
      all.filter((item) => !isMesh(item.test)),
    )
    const [pass, refused] = [sumOf(list, 'pass'), sumOf(list, 'refused')]
    assert.ok(pass >= GATEWAY_SHARE * (pass + refused), `${pass} pass, ${refused} are refused`)
  })

  test('of tests whose manifests the corpus lacks, with routes of ours: all pass', async (context) => {
    const { list } = await replayAll(context, own)
    assert.equal(sumOf(list, 'refused'), 0)
  })
})
