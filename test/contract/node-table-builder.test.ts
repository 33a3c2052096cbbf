/** Tables made in a child process: the bytes of the pure builder, nobody waits, and a dead child is a code. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { nodeTableBuilder } from '../../functions/adapters/node-table-builder.ts'
import { putJson } from '../../functions/blobs.ts'
import { compileHandler } from '../../functions/compile/handler.ts'
import type { TableBuilder } from '../../functions/ports.ts'
import { openDiskQueue } from '../../infra/local/disk-queue.ts'
import { startWorker } from '../../infra/local/worker.ts'
import type { StageName } from '../../pipelines/contract/events.ts'
import type { Failure } from '../../pipelines/contract/failures.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { buildTables } from '../../pipelines/tables/build-tables.ts'
import { fakeCompiler } from '../fakes/compiler.ts'
import { systemClock } from '../fakes/keys.ts'
import { memoryStatuses } from '../fakes/memory-forge.ts'
import { memoryStore } from '../fakes/memory-store.ts'
import { mixedPatterns } from '../unit/automata/mixed-rules.ts'
import { answersBefore, failureOf, killChild } from './children.ts'

const COMMIT = 'c'.repeat(40)
const at = (line: number) => ({ file: 'p.yaml', line, column: 3 })

/** Two rules: the second, at line 20, has all of the paths. */
function policies(paths: readonly string[]): PolicySet {
  const rule = (line: number, all: readonly string[]) => ({
    source: at(line),
    peers: null,
    ports: null,
    http: all.map((path, index) => ({ source: at(line + 1 + index), path, headers: [] })),
  })
  const subject = { namespaces: ['n'], requirements: [] }
  return {
    policies: [
      {
        name: 'p',
        namespace: 'n',
        source: at(1),
        subject,
        unparsed: 'refuse',
        selects: true,
        allow: [rule(10, ['/health']), rule(20, paths)],
        deny: [],
      },
    ],
    routes: [],
  }
}
const TEN_THOUSAND = policies(mixedPatterns(10_000))

test('the tables, and the failures, are those of the pure builder', async () => {
  const set = policies(mixedPatterns(200))
  const pure = buildTables(set)
  assert.ok(pure.ok)
  const tables = await nodeTableBuilder().build(set)
  assert.deepEqual(
    { ...tables, blob: Buffer.from(tables.blob) },
    { ...pure.tables, blob: Buffer.from(pure.tables.blob) },
  )

  const refused = policies(['.*a.{20}'])
  const known = buildTables(refused)
  assert.ok(!known.ok)
  const failure = await failureOf(nodeTableBuilder().build(refused))
  const [{ code, message, detail }] = known.failures as [Failure]
  assert.deepEqual([failure.code, failure.message, failure.detail], [code, message, detail])
})

test('the host answers while 10,000 rules are compiled', async () => {
  await answersBefore(() => nodeTableBuilder().build(TEN_THOUSAND))
})

test('a policy that is above a bound of time or memory is refused at its heaviest rule', async () => {
  const bounds = [
    { limits: { timeMs: 1, heapMb: 1_024 }, why: /^p\.yaml:20:3: .* more than 1 ms;.*\(10000\)/ },
    { limits: { timeMs: 60_000, heapMb: 24 }, why: /^p\.yaml:20:3: .* more than 24 MB;.*\(10000\)/ },
  ]
  for (const { limits, why } of bounds) {
    const failure = await failureOf(nodeTableBuilder(limits).build(TEN_THOUSAND))
    assert.equal(failure.code, 'limit-exceeded')
    assert.match(failure.message, why)
    assert.match(failure.detail[0] ?? '', /^p\.yaml:21:3: path /)
  }
})

test('a child that is killed is a failure that a later try may heal', async () => {
  const failed = failureOf(nodeTableBuilder().build(TEN_THOUSAND))
  await killChild('table-builder-program')
  const failure = await failed
  assert.deepEqual([failure.code, failure.disposition], ['work-interrupted', 'retry'])
  assert.match(failure.message, /SIGKILL/)
})

const scratch = await mkdtemp(join(tmpdir(), 'heddle-tables-'))
after(() => rm(scratch, { recursive: true, force: true }))

/** The compile stage behind its durable queue, with what it sends on. */
async function compileStage(name: string, tables: (delivery: number) => TableBuilder) {
  const queue = await openDiskQueue(join(scratch, name), systemClock)
  const [store, statuses] = [memoryStore(), memoryStatuses()]
  let deliveries = 0
  const compiler = {
    async compile(set: PolicySet) {
      await tables(++deliveries).build(set)
      return fakeCompiler.compile(set)
    },
  }
  const idle = async () => ({ batchItemFailures: [] })
  const sent: { resolve: (body: string) => void } = { resolve: () => {} }
  const first = new Promise<string>((resolve) => {
    sent.resolve = resolve
  })
  const stages = {
    ...{ validate: idle, publish: idle, rollout: idle, plan: idle, post: idle },
    compile: compileHandler({ store, queue, statuses, compiler, log: () => {} }),
    sign: async ({ Records }: { Records: { body: string }[] }) => {
      sent.resolve(Records[0]?.body ?? '')
      return { batchItemFailures: [] }
    },
  }
  const dead: StageName[] = []
  const onDead = async (_: string, stage: StageName) => void dead.push(stage)
  const worker = startWorker({ queue, clock: systemClock, stages, onDead, log: () => {} })
  return {
    statuses,
    dead,
    sent: first,
    deliveries: () => deliveries,
    async push(commit: string, set: PolicySet) {
      const source = { repository: 'local/policies', commit, author: 'a', committed: '2026-01-01T00:00:00Z' }
      const validated = await putJson(store, { schema: 'heddle.validated/1', set, source, materials: [] })
      await queue.send({ stage: 'compile', commit, validated })
    },
    async end() {
      await worker.stop()
      queue.close()
    },
  }
}

test('an event whose child was killed is given again, and goes on', async () => {
  const killed: TableBuilder = {
    async build() {
      const tables = nodeTableBuilder().build(TEN_THOUSAND)
      await killChild('table-builder-program')
      return tables
    },
  }
  const stage = await compileStage('killed', (delivery) => (delivery === 1 ? killed : nodeTableBuilder()))
  try {
    await stage.push(COMMIT, policies(['/a']))
    assert.match(await stage.sent, new RegExp(`"commit":"${COMMIT}"`))
    assert.deepEqual([stage.deliveries(), stage.dead], [2, []])
  } finally {
    await stage.end()
  }
})

test('an event above the bound is told by its place, and the next one is compiled', async () => {
  const narrow = nodeTableBuilder({ timeMs: 60_000, heapMb: 24 })
  const stage = await compileStage('narrow', () => narrow)
  try {
    await stage.push(COMMIT, TEN_THOUSAND)
    await stage.push('d'.repeat(40), policies(['/a']))
    assert.match(await stage.sent, /"commit":"d{40}"/)
    const status = stage.statuses.posted.get(COMMIT)
    assert.equal(status?.state, 'failure')
    const [{ code, file, line, column } = {}] = (status?.findings ?? []) as Partial<{
      code: string
      file: string
      line: number
      column: number
    }>[]
    assert.deepEqual([code, file, line, column], ['limit-exceeded', 'p.yaml', 20, 3])
    assert.deepEqual([stage.deliveries(), stage.dead], [2, []])
  } finally {
    await stage.end()
  }
})
