/**
 * Kernel = evaluator: generated policies, requests and segmentations through the
 * real programs over real sockets. Asserted: reply bytes, their order, and the
 * exact bytes that reached the server.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { assign, rowsFor } from '../../../agent/identities.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import { compileSet, dispatcherElf } from './artifacts.ts'
import { exchange, readReplies } from './exchange.ts'
import { copiesOf, type Expectation, expectation } from './expectation.ts'
import {
  generatedSet,
  generatedStream,
  mirroredSet,
  PEERS,
  SUBJECT,
  segments,
  WORLD,
} from './generated-policies.ts'
import { type Random, random } from '../../fakes/random.ts'
import { KernelFixture, type RecordingServer, whyNoKernel } from './kernel-fixture.ts'

const DEEP = process.env.HEDDLE_DEEP === '1'
const POLICIES = DEEP ? 500 : 40
const STREAMS = DEEP ? 44 : 12
const SEED = Number(process.env.HEDDLE_SEED ?? 20261123)

type Case = {
  set: PolicySet
  expected: Expectation
  stream: Buffer
  parts: Buffer[]
  from: string
  copies: number
}

/** Replies that will come: one per answered request, one for a refusal that has a status. */
function replyCount(expected: Expectation): number {
  if (expected.kind !== 'judged') return 0
  return expected.answers.length + (expected.refused !== undefined && expected.refused.status !== 0 ? 1 : 0)
}

function checkReplies(
  expected: Extract<Expectation, { kind: 'judged' }>,
  replies: Buffer,
  why: string,
): void {
  const heads = expected.answers.map((a) => a.head)
  const got = readReplies(replies, heads)
  const wanted = expected.answers.map(({ target, head }, i) => ({
    status: 200,
    body: head ? '' : `${i + 1} ${target} `,
  }))
  const refusal = expected.refused?.status ? [{ status: expected.refused.status, body: '' }] : []
  assert.deepEqual(
    got.map(({ status, body }) => ({ status, body: status === 200 ? body : body.trim() })),
    [...wanted, ...refusal],
    why,
  )
  // A refused HEAD is answered without a body; nothing else may follow.
  assert.equal(
    replies
      .subarray(got.at(-1)?.end ?? 0)
      .toString('latin1')
      .trim(),
    '',
    `${why}: bytes after the last reply`,
  )
}

function checkReceived(expected: Expectation, stream: Buffer, received: Buffer, why: string): void {
  if (expected.kind !== 'judged' || expected.refused === undefined) {
    assert.deepEqual(received, stream, `${why}: the server received other bytes`)
    return
  }
  const { from } = expected.refused
  assert.deepEqual(
    received.subarray(0, from),
    stream.subarray(0, from),
    `${why}: bytes before the refused message`,
  )
  const rest = received.subarray(from)
  const partial = stream.subarray(from, from + rest.length).equals(rest) && rest.length < stream.length - from
  assert.ok(
    partial || /^[\r\n]*$/.test(rest.toString('latin1')),
    `${why}: the server saw ${JSON.stringify(rest.toString('latin1'))}`,
  )
  if (partial && rest.length > 0) {
    const again = expected.answers.length
    assert.equal(completeMessages(received), again, `${why}: the refused message is complete at the server`)
  }
}

function completeMessages(bytes: Buffer): number {
  return parseHttp1(bytes).filter((event) => event.kind === 'end').length
}

async function runCase(
  fixture: KernelFixture,
  server: RecordingServer,
  one: Case,
  why: string,
): Promise<void> {
  const { expected, stream, parts, from } = one
  if (expected.kind === 'no-connection') return checkNoConnection(fixture, server.port, from, why)
  const wanted = replyCount(expected)
  const heads = expected.kind === 'judged' ? expected.answers.map((a) => a.head) : []
  const { port, replies } = await exchange(
    { host: '127.0.0.1', port: server.port, from },
    parts,
    (bytes) => readReplies(bytes, heads).length >= wanted,
  )
  if (expected.kind === 'judged') checkReplies(expected, replies, why)
  checkReceived(expected, stream, (await server.recorded(port)).bytes, why)
}

/** A SYN that is dropped: the counter tells, and the connection never comes up. */
async function checkNoConnection(
  fixture: KernelFixture,
  port: number,
  from: string,
  why: string,
): Promise<void> {
  const before = fixture.counters().DROPPED ?? 0
  const socket = connect({ host: '127.0.0.1', port, localAddress: from })
  let up = false
  socket.on('connect', () => {
    up = true
  })
  socket.on('error', () => {})
  while ((fixture.counters().DROPPED ?? 0) === before && !up) await new Promise((r) => setImmediate(r))
  assert.equal(up, false, `${why}: a connection that no rule allows came up`)
  socket.destroy()
}

async function stageSet(fixture: KernelFixture, set: PolicySet, generation: number): Promise<boolean> {
  try {
    const { elf, blocks } = await compileSet(set)
    const { identities, addresses } = assign({ identities: [], published: [] }, [SUBJECT, ...PEERS])
    await fixture.stage(generation % 8, elf, rowsFor(blocks, identities))
    await fixture.kernel.setAddresses(addresses)
    await fixture.kernel.flip(generation % 8, generation)
    return true
  } catch (error) {
    if (error instanceof Failure && error.code === 'limit-exceeded') return false
    throw error
  }
}

function generate(r: Random, set: PolicySet, port: number): Case {
  const peer = r.pick([...PEERS, undefined])
  const from = peer?.addresses[0] ?? r.pick(WORLD)
  const stream = generatedStream(r, set)
  const connection = { subject: SUBJECT, peer, peerAddress: from, port, protocol: 'TCP' as const }
  const copies = copiesOf(set, connection, stream)
  return {
    set,
    stream,
    from,
    copies,
    parts: segments(r, stream),
    expected: expectation(set, connection, stream),
  }
}

test('the kernel does to every stream what the evaluator says', {
  skip: whyNoKernel() ?? false,
}, async (t) => {
  const fixture = await KernelFixture.create(await dispatcherElf())
  t.after(() => fixture.close())
  const server = await fixture.recordingServer()
  const seen: Record<string, number> = {}
  // What a mirror drew, and found no service for.
  const copied = () => fixture.counters().COPY_NO_SERVICE ?? 0
  for (let p = 0; p < POLICIES; p++) {
    const r = random(SEED + p)
    const plain = generatedSet(r, server.port)
    const set = p % 2 === 0 ? plain : mirroredSet(random(SEED + p), plain)
    if (!(await stageSet(fixture, set, p + 1))) continue
    for (let s = 0; s < STREAMS; s++) {
      const one = generate(r, set, server.port)
      const why = `seed ${SEED + p}, stream ${s}, from ${one.from}`
      const before = copied()
      await runCase(fixture, server, one, why)
      assert.equal(copied() - before, one.copies, `${why}: copies`)
      seen['copies'] = (seen['copies'] ?? 0) + one.copies
      const kind =
        one.expected.kind === 'judged'
          ? `judged ${one.expected.refused?.status ?? 'allowed'}`
          : one.expected.kind
      seen[kind] = (seen[kind] ?? 0) + 1
    }
  }
  t.diagnostic(`cases: ${JSON.stringify(seen)}`)
  for (const kind of [
    'judged 403',
    'judged 400',
    'judged 431',
    'judged allowed',
    'unread',
    'no-connection',
    'copies',
  ])
    assert.ok((seen[kind] ?? 0) > 0, `no case of kind ${kind} was generated`)
})
