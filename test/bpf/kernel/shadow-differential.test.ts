/**
 * Shadow = evaluator: pairs of generated policies, generated streams in any segmentation. What is counted is what the
 * reference evaluator says of both; what client and server see is what the active one does, to the byte.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { ShadowCounts } from '../../../agent/ports.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'
import { exchange, readReplies } from './exchange.ts'
import { expectation } from './expectation.ts'
import { generatedSet, generatedStream, PEERS, SUBJECT, segments, WORLD } from './generated-policies.ts'
import { random } from '../../fakes/random.ts'
import { type RecordingServer, whyNoKernel } from './kernel-fixture.ts'
import { until } from './one-rule.ts'
import { shadowExpectation } from './shadow-expectation.ts'
import { NOTHING, ShadowFixture } from './shadow-fixture.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const PAIRS = DEEP ? 300 : 8
const STREAMS = DEEP ? 40 : 20
const SEED = Number(process.env['HEDDLE_SEED'] ?? 20261124)

type Pair = readonly [ReturnType<typeof generatedSet>, ReturnType<typeof generatedSet>]

const total = (counts: ShadowCounts) => Object.values(counts).reduce((sum, count) => sum + count, 0)
const KINDS = ['agree', 'newDenies', 'newAllows', 'other', 'unseen'] as const
const plus = (a: ShadowCounts, b: ShadowCounts): ShadowCounts => {
  const sum = { ...a }
  for (const kind of KINDS) sum[kind] += b[kind]
  return sum
}

/** Every eighth pair is one policy twice: it has nothing to differ in. */
function pairOf(number: number, port: number): Pair {
  const active = generatedSet(random(SEED + number), port)
  return [active, number % 8 === 7 ? active : generatedSet(random(SEED + 100_000 + number), port)]
}

async function took(fixture: ShadowFixture, [active, candidate]: Pair): Promise<boolean> {
  try {
    await fixture.pair(active, candidate)
    return true
  } catch (error) {
    if (error instanceof Failure && error.code === 'limit-exceeded') return false
    throw error
  }
}

async function refusedConnection(fixture: ShadowFixture, port: number, from: string): Promise<void> {
  const before = fixture.node.counters()['DROPPED'] ?? 0
  const socket = connect({ host: '127.0.0.1', port, localAddress: from })
  socket.on('error', () => {})
  await until(() => (fixture.node.counters()['DROPPED'] ?? 0) > before)
  socket.destroy()
}

/** One connection. What the shadow has to count of it. */
async function run(
  fixture: ShadowFixture,
  server: RecordingServer,
  pair: Pair,
  seed: number,
): Promise<ShadowCounts> {
  const r = random(seed)
  const peer = r.pick([...PEERS, undefined])
  const from = peer?.addresses[0] ?? r.pick(WORLD)
  const stream = generatedStream(r, pair[r.below(2)] as Pair[0])
  const { port } = server
  const connection = { subject: SUBJECT, peer, peerAddress: from, port, protocol: 'TCP' as const }
  const counts = shadowExpectation(pair, connection, stream)
  const expected = expectation(pair[0], connection, stream)
  if (expected.kind === 'no-connection') {
    await refusedConnection(fixture, port, from)
    return counts
  }
  const heads = expected.kind === 'judged' ? expected.answers.map(({ head }) => head) : []
  const refusal = expected.kind === 'judged' && expected.refused?.status ? [expected.refused.status] : []
  const wanted = [...heads.map(() => 200), ...refusal]
  const sent = segments(r, stream)
  const exchanged = await exchange({ host: '127.0.0.1', port, from }, sent, (bytes) => {
    return readReplies(bytes, heads).length >= wanted.length
  })
  const { bytes } = await server.recorded(exchanged.port)
  if (expected.kind === 'judged') {
    const statuses = readReplies(exchanged.replies, heads).map(({ status }) => status)
    assert.deepEqual(statuses, wanted, `seed ${seed}: the client is answered as by the active one`)
  }
  const reached = expected.kind === 'judged' && expected.refused ? expected.refused.from : stream.length
  assert.deepEqual(
    bytes.subarray(0, reached),
    stream.subarray(0, reached),
    `seed ${seed}: the server's bytes`,
  )
  return counts
}

test('a shadow counts of every stream what the evaluator says of both policies', {
  skip: whyNoKernel() ?? false,
}, async (t) => {
  const fixture = await ShadowFixture.create(t)
  const server = await fixture.node.recordingServer()
  let seen = NOTHING
  for (let p = 0; p < PAIRS; p++) {
    const pair = pairOf(p, server.port)
    if (!(await took(fixture, pair))) continue
    let expected = NOTHING
    for (let s = 0; s < STREAMS; s++) {
      const seed = SEED + 1_000_000 + p * 1000 + s
      expected = plus(expected, await run(fixture, server, pair, seed))
      let counts = (await fixture.found()).counts
      // A SYN is counted as dropped a moment before the candidate is asked.
      while (total(counts) < total(expected)) counts = (await fixture.found()).counts
      assert.deepEqual(counts, expected, `pair ${p}, seed ${seed}`)
    }
    seen = plus(seen, expected)
  }
  t.diagnostic(`verdicts: ${JSON.stringify(seen)}`)
  for (const kind of KINDS.slice(0, -1)) assert.ok(seen[kind] > 0, `no case of kind ${kind} was generated`)
})
